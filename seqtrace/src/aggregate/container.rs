//! The path of a cgroup → the container or the systemd unit that it is. Pure; refuses to guess: a path that
//! says neither has no name.
//!
//! Container engines put the id of a container, 64 hexadecimal digits, into the last part of the path: with
//! systemd as `ENGINE-ID.scope`, without it as `ENGINE/ID`. Pods of Kubernetes stand above their containers.

/// Digits of a container's id that are shown, as engines show them.
const SHOWN: usize = 12;

/// Digits of a container's id.
const DIGITS: usize = 64;

/// What stands before the id in the names of scopes, with the word for the engine. Of two that fit the first.
const SCOPES: [(&str, &str); 8] = [
    ("docker-", "docker:"),
    ("cri-containerd-", "containerd:"),
    ("nerdctl-", "nerdctl:"),
    ("crio-conmon-", "crio-conmon:"),
    ("crio-", "crio:"),
    ("libpod-conmon-", "podman-conmon:"),
    ("libpod-payload-", "podman:"),
    ("libpod-", "podman:"),
];

/// Folders of engines without systemd, with the word for the engine.
const FOLDERS: [(&str, &str); 4] = [
    ("docker", "docker:"),
    ("crio", "crio:"),
    ("libpod_parent", "podman:"),
    ("buildkit", "buildkit:"),
];

/// What a part of a path stands for.
enum Part {
    Container(String),
    Pod(String),
    Unit(String),
    Slice(String),
}

/// The name of the cgroup at `path`: its innermost container, with the unit in it if there is one
/// (`docker:0123456789ab/nginx.service`), else its pod, else its innermost service or scope, else its slice.
pub(super) fn name(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (mut container, mut pod, mut unit, mut slice) = (None, None, None, None);
    for (at, part) in parts.iter().enumerate() {
        match self::part(&parts[..at], part) {
            Some(Part::Container(name)) => {
                container = Some(name);
                // What is above it is not in it.
                unit = None;
            }
            Some(Part::Pod(name)) => pod = Some(name),
            Some(Part::Unit(name)) => unit = Some(name),
            Some(Part::Slice(name)) => slice = Some(name),
            None => {}
        }
    }
    match (container, unit) {
        (Some(container), Some(unit)) => Some(format!("{container}/{unit}")),
        (Some(container), None) => Some(container),
        (None, unit) => pod.or(unit).or(slice),
    }
}

fn part(above: &[&str], part: &str) -> Option<Part> {
    if let Some(scope) = part.strip_suffix(".scope") {
        let engines = SCOPES.iter();
        let container =
            engines.filter_map(|(prefix, word)| container(word, scope.strip_prefix(prefix)?));
        return container
            .map(Part::Container)
            .next()
            .or_else(|| Some(Part::Unit(part.to_owned())));
    }
    if part.ends_with(".service") {
        return Some(Part::Unit(part.to_owned()));
    }
    if let Some(slice) = part.strip_suffix(".slice") {
        return Some(pod_of_slice(slice).unwrap_or_else(|| Part::Slice(part.to_owned())));
    }
    let parent = above.last().copied().unwrap_or_default();
    if let Some(name) = parent_engine(parent).and_then(|word| container(word, part)) {
        return Some(Part::Container(name));
    }
    let is_of_pods = above.iter().any(|part| part.starts_with("kubepods"));
    if is_of_pods && is_pod(parent) {
        return container("pod-container:", part.trim_start_matches("crio-")).map(Part::Container);
    }
    if is_of_pods && let Some(uid) = part.strip_prefix("pod").filter(|uid| is_uid(uid)) {
        return Some(Part::Pod(format!("pod:{uid}")));
    }
    let payload = part.strip_prefix("lxc.payload.");
    let payload = payload.or_else(|| (parent == "lxc").then_some(part));
    payload.map(|name| Part::Container(format!("lxc:{name}")))
}

fn parent_engine(parent: &str) -> Option<&'static str> {
    let found = FOLDERS.iter().find(|(folder, _)| *folder == parent);
    found.map(|(_, word)| *word)
}

/// `docker:0123456789ab`, if that is the id of a container.
fn container(word: &str, id: &str) -> Option<String> {
    let is_id = id.len() == DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| format!("{word}{}", &id[..SHOWN]))
}

/// Whether a part stands for a pod, whichever way pods are named.
fn is_pod(part: &str) -> bool {
    let slice = part.strip_suffix(".slice");
    match slice {
        Some(slice) => pod_of_slice(slice).is_some(),
        None => part.strip_prefix("pod").is_some_and(is_uid),
    }
}

/// A slice is named by those above it too: `kubepods-besteffort-pod<uid>`, the dashes of the uid made `_`.
fn pod_of_slice(slice: &str) -> Option<Part> {
    let uid = slice.strip_prefix("kubepods-")?.rsplit_once("pod")?.1;
    let uid = uid.replace('_', "-");
    is_uid(&uid).then(|| Part::Pod(format!("pod:{uid}")))
}

/// Whether it may be the uid of a pod: of those from the API server 8-4-4-4-12 digits, of static pods 32.
fn is_uid(uid: &str) -> bool {
    let digits = uid.bytes().filter(|byte| *byte != b'-');
    matches!(uid.len(), 32 | 36)
        && digits.clone().count() == 32
        && digits.clone().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    /// Paths and names; `ID` is the id of a container, `UID` that of a pod, in `UID_` with `_`.
    const CASES: &[(&str, Option<&str>)] = &[
        ("/", None),
        ("/system.slice/docker-ID.scope", Some("docker:0123456789ab")),
        ("/docker/ID", Some("docker:0123456789ab")),
        ("/docker/buildx/docker/ID", Some("docker:0123456789ab")),
        (
            "/system.slice/docker-ID.scope/init.scope",
            Some("docker:0123456789ab/init.scope"),
        ),
        (
            "/docker/ID/system.slice/nginx.service",
            Some("docker:0123456789ab/nginx.service"),
        ),
        (
            "/system.slice/nerdctl-ID.scope",
            Some("nerdctl:0123456789ab"),
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUID_.slice/cri-containerd-ID.scope",
            Some("containerd:0123456789ab"),
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/crio-ID.scope",
            Some("crio:0123456789ab"),
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/crio-conmon-ID.scope",
            Some("crio-conmon:0123456789ab"),
        ),
        (
            "/kubepods/besteffort/podUID/ID",
            Some("pod-container:0123456789ab"),
        ),
        ("/kubepods/podUID/ID", Some("pod-container:0123456789ab")),
        (
            "/kubepods/burstable/podUID/crio-ID",
            Some("pod-container:0123456789ab"),
        ),
        ("/kubepods/burstable/podUID", Some("pod:UID")),
        ("/kubepods.slice/kubepods-podUID_.slice", Some("pod:UID")),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0123456789abcdef0123456789abcdef.slice",
            Some("pod:0123456789abcdef0123456789abcdef"),
        ),
        // Kubernetes in docker.
        (
            "/docker/ID/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podUID_.slice/cri-containerd-ID.scope",
            Some("containerd:0123456789ab"),
        ),
        (
            "/machine.slice/libpod-ID.scope",
            Some("podman:0123456789ab"),
        ),
        (
            "/machine.slice/libpod-ID.scope/container",
            Some("podman:0123456789ab"),
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
            Some("podman:0123456789ab"),
        ),
        (
            "/machine.slice/libpod-conmon-ID.scope",
            Some("podman-conmon:0123456789ab"),
        ),
        ("/libpod_parent/ID", Some("podman:0123456789ab")),
        (
            "/lxc.payload.web/system.slice/cron.service",
            Some("lxc:web/cron.service"),
        ),
        ("/lxc/web", Some("lxc:web")),
        (
            "/machine.slice/machine-debian.scope",
            Some("machine-debian.scope"),
        ),
        ("/system.slice/cron.service", Some("cron.service")),
        (
            "/system.slice/system-getty.slice/getty@tty1.service",
            Some("getty@tty1.service"),
        ),
        (
            "/user.slice/user-1000.slice/session-3.scope",
            Some("session-3.scope"),
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service",
            Some("user@1000.service"),
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope",
            Some("vte-spawn-1.scope"),
        ),
        ("/user.slice/user-1000.slice", Some("user-1000.slice")),
        ("/init.scope", Some("init.scope")),
        // Neither says what it is.
        ("/default/ID", None),
        ("/docker/short", None),
        ("/batch/job-7", None),
        ("/system.slice/docker-0123.scope", Some("docker-0123.scope")),
    ];

    #[test]
    fn containers_and_units_are_told_by_their_paths() {
        let uid = "3c5e2a1b-7d1f-4f0e-9a53-0b9e6c1d2f34";
        let uid_ = uid.replace('-', "_");
        for (path, expected) in CASES {
            let full = |text: &str| text.replace("UID_", &uid_).replace("UID", uid);
            let path = full(path).replace("ID", ID);
            let expected = expected.map(full);
            assert_eq!(name(&path), expected, "{path}");
        }
    }
}
