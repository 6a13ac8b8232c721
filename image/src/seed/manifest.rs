//! The list of what is in a seed, from dpkg's own database.

/// One line `name version architecture` per installed package, sorted, from the text of
/// `/var/lib/dpkg/status` (deb822, see dpkg-query(1)).
pub fn parse_status(status: &str) -> String {
    let mut lines: Vec<String> = status.split("\n\n").filter_map(package).collect();
    lines.sort();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn package(stanza: &str) -> Option<String> {
    let field = |key: &str| stanza.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    if field("Status:") != Some("install ok installed") {
        return None;
    }
    Some(format!("{} {} {}", field("Package:")?, field("Version:")?, field("Architecture:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_only_and_sorted() {
        let status = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2\n\
                      Description: x\n Version: 9\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\n\
                      Version: 1\n\n\
                      Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 3\n";
        assert_eq!(parse_status(status), "a 3 all\nb 1:2 amd64\n");
    }
}
