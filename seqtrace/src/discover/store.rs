//! An image's catalog as the text of a file, and back.

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::catalog::ImageCatalog;

/// Version of the file's layout.
const FORMAT: u32 = 1;

/// Another version of the tool may find other sites in the same image.
const TOOL_VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    tool_version: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    head: Head,
    catalog: ImageCatalog,
}

/// The text of the file.
pub fn encode(catalog: &ImageCatalog) -> Vec<u8> {
    let stored = Stored {
        head: Head {
            format: FORMAT,
            tool_version: TOOL_VERSION.to_owned(),
        },
        catalog: catalog.clone(),
    };
    serde_json::to_vec(&stored).expect("strings, numbers and lists are JSON")
}

/// The catalog of `image` with `build_id` in the text of a file.
///
/// # Errors
///
/// When the text is damaged, or belongs to another version of the tool or another image.
pub fn decode(bytes: &[u8], image: &str, build_id: &str) -> Result<ImageCatalog> {
    // The head first: the rest of a file of another version need not have our layout.
    let Head {
        format,
        tool_version,
    } = serde_json::from_slice(bytes).context("it is damaged")?;
    ensure!(
        format == FORMAT && tool_version == TOOL_VERSION,
        "version {tool_version} wrote it, this is {TOOL_VERSION}"
    );
    let Stored { head: _, catalog } = serde_json::from_slice(bytes).context("it is damaged")?;
    ensure!(
        catalog.image == image && catalog.build_id == build_id,
        "it is of `{}` with build id {}",
        catalog.image,
        catalog.build_id
    );
    Ok(catalog)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> ImageCatalog {
        ImageCatalog {
            image: "vmlinux".to_owned(),
            build_id: "ab01".to_owned(),
            realtime: true,
            functions: 3,
            text_bytes: 100,
            sites: Vec::new(),
            instances: Vec::new(),
            disagreements: Vec::new(),
        }
    }

    #[test]
    fn a_catalog_comes_back_as_it_was() {
        let text = encode(&catalog());
        let back = decode(&text, "vmlinux", "ab01").expect("the same version");
        assert_eq!(back, catalog());
    }

    #[test]
    fn another_version_another_image_and_damage_are_refused() {
        let text = String::from_utf8(encode(&catalog())).expect("text");
        let refused = |text: &str, id| {
            let error = decode(text.as_bytes(), "vmlinux", id).expect_err("not ours");
            format!("{error:#}")
        };
        let other = text.replace("\"format\":1", "\"format\":9");
        assert!(refused(&other, "ab01").contains("wrote it"));
        assert!(refused(&text, "ab02").contains("build id ab01"));
        assert!(refused(&text[..text.len() - 5], "ab01").starts_with("it is damaged"));
    }
}
