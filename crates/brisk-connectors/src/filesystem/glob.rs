//! Patterns of file names: `*`, `?`, `[a-z]`, `[!a]`, `{jpg,png}`. A pattern is matched against one name; `**` as a
//! whole name is for whoever walks directories.

/// Whether a path component is a pattern.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    alternatives(pattern).iter().any(|p| matches_plain(p, &name))
}

/// The patterns that `{a,b}` stands for, without any braces.
fn alternatives(pattern: &str) -> Vec<Vec<char>> {
    let chars: Vec<char> = pattern.chars().collect();
    let open = chars.iter().position(|c| *c == '{');
    let Some((open, close)) = open.and_then(|o| Some((o, closing_brace(&chars, o)?))) else { return vec![chars] };
    let mut result = Vec::new();
    for choice in split_choices(&chars[open + 1..close]) {
        let whole: String = chars[..open].iter().chain(choice).chain(&chars[close + 1..]).collect();
        result.extend(alternatives(&whole));
    }
    result
}

fn closing_brace(chars: &[char], open: usize) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in chars.iter().enumerate().skip(open) {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(i),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn split_choices(chars: &[char]) -> Vec<&[char]> {
    let mut depth = 0;
    chars
        .split(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            *c == ',' && depth == 0
        })
        .collect()
}

/// Matches with at most one point to come back to, the last star: linear in practice, quadratic at worst.
fn matches_plain(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(width) = matches_one(&pattern[p..], name[n]) {
            p += width;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, n) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The width of the pattern's first element, if it matches the character.
fn matches_one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        [] => None,
        ['?', ..] => Some(1),
        ['[', rest @ ..] => match rest.iter().skip(1).position(|c| *c == ']') {
            Some(n) => in_set(&rest[..=n], c).then_some(n + 3),
            None => (c == '[').then_some(1),
        },
        [first, ..] => (*first == c).then_some(1),
    }
}

fn in_set(set: &[char], c: char) -> bool {
    let (negated, set) = match set {
        ['!' | '^', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    let mut i = 0;
    let mut found = false;
    while i < set.len() {
        if i + 2 < set.len() && set[i + 1] == '-' {
            found |= (set[i]..=set[i + 2]).contains(&c);
            i += 3;
        } else {
            found |= set[i] == c;
            i += 1;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for name in yes {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for name in no {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn names_match() {
        check("*.log", &["a.log", ".log"], &["a.log.1", "log"]);
        check("app-?.log", &["app-1.log", "app-中.log"], &["app-.log", "app-10.log"]);
        check("a*b*c", &["abc", "aXbbYc"], &["ab", "abcd"]);
        check("x[0-9a].gz", &["x7.gz", "xa.gz"], &["xb.gz", "x.gz"]);
        check("x[!0-9]", &["xa"], &["x1"]);
        check("{a,b{1,2}}.*", &["a.x", "b1.y", "b2."], &["b.x", "c.x"]);
        check("plain", &["plain"], &["plain2"]);
        check("odd[", &["odd["], &["odd"]);
    }
}
