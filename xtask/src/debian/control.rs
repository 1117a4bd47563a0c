//! Debian's control files (`apt-cache show`, `apt-get indextargets`) as paragraphs of fields.
//! Pure: text in, borrowed text out.

/// One paragraph of a control file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Paragraph<'text> {
    fields: Vec<(&'text str, &'text str)>,
}

impl<'text> Paragraph<'text> {
    /// The value of a field, without its continuation lines.
    pub(crate) fn get(&self, name: &str) -> Option<&'text str> {
        let same = |(field, _): &&(&str, &str)| field.eq_ignore_ascii_case(name);
        self.fields.iter().find(same).map(|(_, value)| *value)
    }
}

/// Splits a control file; continuation lines and lines that are no fields are left out.
pub(crate) fn paragraphs(text: &str) -> Vec<Paragraph<'_>> {
    let mut all = Vec::new();
    let mut current = Paragraph::default();
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            if !current.fields.is_empty() {
                all.push(std::mem::take(&mut current));
            }
        } else if !line.starts_with([' ', '\t'])
            && let Some((name, value)) = line.split_once(':')
        {
            current.fields.push((name, value.trim()));
        }
    }
    all
}

/// The dependencies of the form `name (= version)`, as Debian ties the parts of one build together.
pub(crate) fn exact_dependencies(depends: &str) -> Vec<(&str, &str)> {
    depends
        .split(',')
        .filter_map(|dependency| {
            let (name, version) = dependency.trim().split_once(" (= ")?;
            Some((name, version.strip_suffix(')')?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOW: &str = "\
Package: linux-image-rt-amd64
Version: 7.3.4-1~bpo13+1
Depends: linux-base-rt-amd64 (= 7.3.4-1~bpo13+1), linux-image-7.3.4+deb13-rt-amd64 (= 7.3.4-1~bpo13+1)
Description: Linux for 64-bit PCs
 This package depends: on the latest kernel.

Package: linux-image-rt-amd64
Version: 7.2.13-1
";

    #[test]
    fn paragraphs_are_split_at_empty_lines() {
        let all = paragraphs(SHOW);
        let versions: Vec<_> = all.iter().map(|one| one.get("version").unwrap()).collect();
        assert_eq!(versions, ["7.3.4-1~bpo13+1", "7.2.13-1"]);
        assert_eq!(all[1].get("Depends"), None);
    }

    #[test]
    fn continuation_lines_are_no_fields() {
        assert_eq!(paragraphs(SHOW)[0].get(" This package depends"), None);
        assert_eq!(
            paragraphs(SHOW)[0].get("Description"),
            Some("Linux for 64-bit PCs")
        );
    }

    #[test]
    fn exact_dependencies_leave_out_alternatives_and_ranges() {
        let depends = "dracut | initramfs-tools (>= 0.120), kmod, linux-binary-7 (= 7.3-1), x (= 1";
        assert_eq!(exact_dependencies(depends), [("linux-binary-7", "7.3-1")]);
    }
}
