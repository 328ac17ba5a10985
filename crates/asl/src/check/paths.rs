//! What JSONPath fields read: paths, reference paths and intrinsic functions.

/// A path that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) root: Root,
    /// What follows the root, as it is written.
    pub(super) rest: String,
    /// Only names and indices: it leads to one place at most.
    pub(super) is_reference: bool,
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
        self.reads_task_token() || self.root == Root::Context && ["", ".Task", "['Task']"].contains(&&*self.rest)
    }

    /// Whether the task token itself is at the path.
    pub(super) fn reads_task_token(&self) -> bool {
        self.root == Root::Context && [".Task.Token", "['Task']['Token']", ".Task['Token']", "['Task'].Token"].contains(&&*self.rest)
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
    crate::jsonpath::Path::parse(text)?;
    let mut scanner = Scanner { text, at: 0 };
    let path = scanner.path()?;
    if scanner.at == text.len() { Ok(path) } else { Err(format!("nothing may follow `{}`", &text[..scanner.at])) }
}

/// Reads a path or a call of an intrinsic function.
pub(super) fn path_or_intrinsic(text: &str) -> Result<Reads, String> {
    if !is_intrinsic(text) {
        return Ok(Reads { paths: vec![path(text)?], ..Reads::default() });
    }
    crate::intrinsics::Intrinsic::parse(text)?;
    let mut scanner = Scanner { text, at: 0 };
    let mut reads = Reads::default();
    scanner.call(&mut reads)?;
    scanner.space();
    if scanner.at == text.len() { Ok(reads) } else { Err(format!("nothing may follow `{}`", &text[..scanner.at])) }
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

/// The intrinsic functions and how many arguments each takes.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html>
const FUNCTIONS: [(&str, usize, usize); 18] = [
    ("States.Array", 0, usize::MAX),
    ("States.ArrayContains", 2, 2),
    ("States.ArrayGetItem", 2, 2),
    ("States.ArrayLength", 1, 1),
    ("States.ArrayPartition", 2, 2),
    ("States.ArrayRange", 3, 3),
    ("States.ArrayUnique", 1, 1),
    ("States.Base64Decode", 1, 1),
    ("States.Base64Encode", 1, 1),
    ("States.Format", 1, usize::MAX),
    ("States.Hash", 2, 2),
    ("States.JsonMerge", 3, 3),
    ("States.JsonToString", 1, 1),
    ("States.MathAdd", 2, 2),
    ("States.MathRandom", 2, 3),
    ("States.StringSplit", 2, 2),
    ("States.StringToJson", 1, 1),
    ("States.UUID", 0, 0),
];

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn call(&mut self, reads: &mut Reads) -> Result<(), String> {
        let name = self.take_while(|mark| mark.is_ascii_alphanumeric() || mark == '.');
        let Some((_, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            return Err(format!("there is no function `{name}`"));
        };
        self.expect('(')?;
        let mut arguments = 0;
        self.space();
        while self.peek() != Some(')') {
            if arguments > 0 {
                self.expect(',')?;
                self.space();
            }
            self.argument(reads)?;
            arguments += 1;
            self.space();
        }
        self.expect(')')?;
        if !(*least..=*most).contains(&arguments) {
            let wanted = match (*least, *most) {
                (least, usize::MAX) => format!("{least} or more"),
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            reads.miscounted.push(format!("`{name}` takes {wanted} arguments, not {arguments}"));
        }
        Ok(())
    }

    fn argument(&mut self, reads: &mut Reads) -> Result<(), String> {
        match self.peek() {
            Some('\'') => self.quoted('\''),
            Some('$') => {
                let path = self.path()?;
                reads.paths.push(path);
                Ok(())
            }
            Some('S') => self.call(reads),
            Some(mark) if mark == '-' || mark.is_ascii_digit() => {
                let number = self.take_while(|mark| mark.is_ascii_digit() || "+-.eE".contains(mark));
                number.parse::<f64>().map(drop).map_err(|_| format!("`{number}` is no number"))
            }
            _ => match self.take_while(char::is_alphanumeric) {
                "true" | "false" | "null" => Ok(()),
                other => Err(format!("`{other}` is no argument: a string stands in single quotes")),
            },
        }
    }

    /// Only the quote itself, braces and the backslash may be escaped.
    fn quoted(&mut self, quote: char) -> Result<(), String> {
        self.expect(quote)?;
        loop {
            match self.next() {
                None => return Err("a string is not closed".to_owned()),
                Some(mark) if mark == quote => return Ok(()),
                Some('\\') => match self.next() {
                    Some('\'' | '\\' | '{' | '}') => {}
                    Some(mark) => return Err(format!("`\\{mark}` is no escape")),
                    None => return Err("a string is not closed".to_owned()),
                },
                Some(_) => {}
            }
        }
    }

    fn path(&mut self) -> Result<Path, String> {
        self.expect('$')?;
        let root = if self.peek() == Some('$') {
            self.next();
            Root::Context
        } else {
            match self.take_while(|mark| mark.is_alphanumeric() || mark == '_') {
                "" => Root::Input,
                name => Root::Variable(name.to_owned()),
            }
        };
        let start = self.at;
        let mut is_reference = true;
        loop {
            match self.peek() {
                Some('.') => {
                    self.next();
                    match self.peek() {
                        Some('.') => {
                            self.next();
                            is_reference = false;
                            if self.peek() != Some('[') {
                                is_reference &= self.name()?;
                            }
                        }
                        Some('[') => {}
                        _ => is_reference &= self.name()?,
                    }
                }
                Some('[') => is_reference &= self.brackets()?,
                _ => break,
            }
        }
        Ok(Path { root, rest: self.text[start..self.at].to_owned(), is_reference })
    }

    /// A name behind a dot; whether it names one place.
    fn name(&mut self) -> Result<bool, String> {
        let name = self.take_while(|mark| !".[](),' ".contains(mark));
        if name.is_empty() {
            return Err("a name is missing behind a dot".to_owned());
        }
        if self.peek() == Some('(') {
            self.next();
            self.take_while(|mark| mark != ')');
            self.expect(')')?;
            return Ok(false);
        }
        Ok(name != "*")
    }

    /// Whether what stands between the brackets names one place.
    fn brackets(&mut self) -> Result<bool, String> {
        let start = self.at;
        let (mut open, mut quote) = (0_usize, None);
        loop {
            match (self.next(), quote) {
                (None, _) => return Err("a bracket is not closed".to_owned()),
                (Some('\\'), Some(_)) => drop(self.next()),
                (Some(mark), Some(closing)) if mark == closing => quote = None,
                (Some(mark @ ('\'' | '"')), None) => quote = Some(mark),
                (Some('['), None) => open += 1,
                (Some(']'), None) if open == 1 => break,
                (Some(']'), None) => open -= 1,
                _ => {}
            }
        }
        let inside = self.text[start + 1..self.at - 1].trim();
        if inside.is_empty() {
            return Err("nothing stands between brackets".to_owned());
        }
        let quoted = inside.len() > 1 && (inside.starts_with('\'') || inside.starts_with('"'));
        Ok(if quoted { !inside.contains("',") && !inside.contains("\",") } else { inside.bytes().all(|byte| byte.is_ascii_digit()) })
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        match self.next() {
            Some(found) if found == mark => Ok(()),
            Some(found) => Err(format!("`{mark}` was expected instead of `{found}`")),
            None => Err(format!("`{mark}` was expected at the end")),
        }
    }

    fn space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn take_while(&mut self, takes: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.find(|mark| !takes(mark)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mark = self.peek()?;
        self.at += mark.len_utf8();
        Some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_where_it_begins_and_whether_it_leads_to_one_place() {
        for (text, root, is_reference) in [
            ("$", Root::Input, true),
            ("$.a.b[0]['c d']", Root::Input, true),
            ("$$.Task.Token", Root::Context, true),
            ("$order.id", Root::Variable("order".to_owned()), true),
            ("$.a[*]", Root::Input, false),
            ("$.a[?(@.b == ']')].c", Root::Input, false),
            ("$..a", Root::Input, false),
            ("$.a.length()", Root::Input, false),
            ("$.a[1:3]", Root::Input, false),
        ] {
            let read = path(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((read.root, read.is_reference), (root, is_reference), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "a.b", "$.", "$.a.", "$.a[", "$.a[]", "$.a b", "$.a)"] {
            assert!(path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_call_is_read_with_the_paths_in_its_arguments() {
        let reads =
            path_or_intrinsic("States.Format('It\\'s {}', States.JsonToString($.a), $$.Execution.Id, $day, -1.5, true)").expect("it reads");
        let roots: Vec<Root> = reads.paths.into_iter().map(|path| path.root).collect();
        assert_eq!(roots, [Root::Input, Root::Context, Root::Variable("day".to_owned())]);
    }

    #[test]
    fn calls_of_what_does_not_exist_or_is_not_closed_are_refused() {
        for text in ["States.Sum(1, 2)", "States.Format('a", "States.Format(\"a\")", "States.UUID() + 1", "States.Format('\\\"')"] {
            assert!(path_or_intrinsic(text).is_err(), "{text}");
        }
        assert_eq!(path_or_intrinsic("States.Hash('a')").expect("it reads").miscounted, ["`States.Hash` takes 2 arguments, not 1"]);
    }

    #[test]
    fn an_amount_of_dollars_is_no_path() {
        assert!(looks_like_path("$.orders[0]") && looks_like_path("$$.Execution.Id") && looks_like_path("$['a']"));
        assert!(!looks_like_path("$5.00") && !looks_like_path("$") && !looks_like_path("a$.b") && !looks_like_path("$.50"));
    }
}
