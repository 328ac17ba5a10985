//! What JSONPath fields read: paths, reference paths and intrinsic functions.

use crate::jsonpath;
use crate::payload::Selector;

/// What there is to know of a path before it is evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) root: Root,
    /// Only names and indices: it leads to one place at most.
    pub(super) is_reference: bool,
    /// The names that it goes along, if it has nothing else.
    names: Option<Vec<String>>,
}

/// Where a path begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Root {
    /// `$`
    Input,
    /// `$$`
    Context,
    /// `$name`
    Variable(String),
}

impl Path {
    /// Whether a task token is at the path or below it.
    pub(super) fn passes_task_token(&self) -> bool {
        self.root == Root::Context
            && self
                .names
                .as_ref()
                .is_some_and(|names| TASK_TOKEN.iter().zip(names).all(|(token, name)| token == name) && names.len() <= TASK_TOKEN.len())
    }

    /// Whether the task token itself is at the path.
    pub(super) fn reads_task_token(&self) -> bool {
        self.root == Root::Context && self.names.as_ref().is_some_and(|names| names == &TASK_TOKEN)
    }
}

const TASK_TOKEN: [&str; 2] = ["Task", "Token"];

impl From<&jsonpath::Path> for Path {
    fn from(path: &jsonpath::Path) -> Self {
        let root = match path.variable() {
            Some(name) => Root::Variable(name.to_owned()),
            None if path.is_of_context() => Root::Context,
            None => Root::Input,
        };
        let names = path.names().map(|names| names.into_iter().map(str::to_owned).collect());
        Self { root, is_reference: path.is_reference(), names }
    }
}

/// What a value with an intrinsic function or a path reads, and what is doubtful about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reads {
    pub(super) paths: Vec<Path>,
    /// Calls with a number of arguments that the function does not take.
    pub(super) miscounted: Vec<String>,
}

/// Reads a path.
pub(super) fn path(text: &str) -> Result<Path, String> {
    jsonpath::Path::parse(text).map(|path| Path::from(&path))
}

/// Reads a path or a call of an intrinsic function.
pub(super) fn path_or_intrinsic(text: &str) -> Result<Reads, String> {
    let selector = Selector::parse(text)?;
    let miscounted = if let Selector::Call(call) = &selector { call.miscounts() } else { Vec::new() };
    Ok(Reads { paths: selector.paths().into_iter().map(Path::from).collect(), miscounted })
}

/// Whether a text looks like a call of an intrinsic function.
pub(super) fn is_intrinsic(text: &str) -> bool {
    text.starts_with("States.") && text.contains('(')
}

/// Whether a text looks like a path, and not like an amount of dollars.
pub(super) fn looks_like_path(text: &str) -> bool {
    let rest = text.strip_prefix("$$").or_else(|| text.strip_prefix('$'));
    rest.is_some_and(|rest| match rest.as_bytes() {
        [b'.', next, ..] => next.is_ascii_alphabetic() || *next == b'_',
        [b'[', ..] => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_where_it_begins_and_whether_it_leads_to_one_place() {
        for (text, root, is_reference) in [
            ("$.a.b[0]['c d']", Root::Input, true),
            ("$$.Task.Token", Root::Context, true),
            ("$order.id", Root::Variable("order".to_owned()), true),
            ("$.a[*]", Root::Input, false),
        ] {
            let read = path(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((read.root, read.is_reference), (root, is_reference), "{text}");
        }
    }

    #[test]
    fn a_task_token_is_passed_with_everything_around_it() {
        let token = |text: &str| path(text).map(|path| (path.passes_task_token(), path.reads_task_token()));
        assert_eq!(token("$$.Task.Token"), Ok((true, true)));
        assert_eq!(token("$$.Task['Token']"), Ok((true, true)));
        assert_eq!(token("$$.Task"), Ok((true, false)));
        assert_eq!(token("$$"), Ok((true, false)));
        for text in ["$.Task.Token", "$$.State.Name", "$$.Task.Token.x", "$$[0]"] {
            assert_eq!(token(text), Ok((false, false)), "{text}");
        }
    }

    #[test]
    fn a_call_is_read_with_the_paths_in_its_arguments() {
        let reads =
            path_or_intrinsic("States.Format('{}', States.JsonToString($.a), $$.Execution.Id, $day, -1.5, true)").expect("it reads");
        let mut roots: Vec<Root> = reads.paths.into_iter().map(|path| path.root).collect();
        roots.sort_by_key(|root| format!("{root:?}"));
        assert_eq!(roots, [Root::Context, Root::Input, Root::Variable("day".to_owned())]);
        assert_eq!(path_or_intrinsic("States.Hash('a')").expect("it reads").miscounted, ["States.Hash takes 2 arguments, not 1"]);
    }

    #[test]
    fn an_amount_of_dollars_is_no_path() {
        assert!(looks_like_path("$.orders[0]") && looks_like_path("$$.Execution.Id") && looks_like_path("$['a']"));
        assert!(!looks_like_path("$5.00") && !looks_like_path("$") && !looks_like_path("a$.b") && !looks_like_path("$.50"));
    }
}
