//! Partition columns: values in the names of directories, `day=2020-01-01/city=K%C3%B6ln`.

use std::path::Path;

use crate::display::Display;

/// What must be escaped in a directory's name, besides control characters: as Hive does it, and Flink after it.
const ESCAPED: &[u8] = b"\"#%'*/:=?\\{[]^\x7f";

/// Appends the directory of row `row`, such as `day=1/hour=2`. `columns` are the names, `shown` their cells.
pub(crate) fn write_directory(columns: &[String], shown: &[Display], row: usize, default: &str, out: &mut String) {
    let mut value = String::new();
    for (n, (name, shown)) in columns.iter().zip(shown).enumerate() {
        if n > 0 {
            out.push('/');
        }
        escape(name, out);
        out.push('=');
        value.clear();
        if !shown.is_null(row) {
            shown.write(row, &mut value);
        }
        if value.is_empty() {
            out.push_str(default);
        } else {
            escape(&value, out);
        }
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match u8::try_from(c) {
            Ok(b) if b < b' ' || ESCAPED.contains(&b) => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(b >> 4)]));
                out.push(char::from(HEX[usize::from(b & 15)]));
            }
            _ => out.push(c),
        }
    }
}

/// The value of partition column `name` in a file's path below `root`; `None` for NULL or when there is none.
pub(crate) fn value_in(root: &Path, file: &Path, name: &str, default: &str) -> Option<String> {
    let below = file.strip_prefix(root).unwrap_or(file);
    for component in below.parent()?.components() {
        let text = component.as_os_str().to_string_lossy();
        if let Some((_, value)) = text.split_once('=').filter(|(key, _)| unescape(key) == name) {
            return (value != default).then(|| unescape(value));
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = (bytes[i] == b'%').then(|| bytes.get(i + 1..i + 3)).flatten();
        let code = hex.and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        out.push(code.unwrap_or(bytes[i]));
        i += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, directory: &str) {
        let mut escaped = String::new();
        escape(value, &mut escaped);
        assert_eq!(escaped, directory);
        assert_eq!(unescape(directory), value);
    }

    #[test]
    fn names_are_escaped_and_read_back() {
        check("2020-01-01", "2020-01-01");
        check("a/b=c%", "a%2Fb%3Dc%25");
        check("上海", "上海");
        let value = value_in(Path::new("/t"), Path::new("/t/day=1/city=a%2Fb/x.json"), "city", "__D__");
        assert_eq!(value.as_deref(), Some("a/b"));
        assert_eq!(value_in(Path::new("/t"), Path::new("/t/day=__D__/x"), "day", "__D__"), None);
    }
}
