//! What is told of an expression that fails: Step Functions' sentences, with the codes and messages of jsonata-js 2.0.6.
//!
//! The evaluator here gives the same codes; its messages differ, and lack what the evaluation that failed knew. That is
//! found by evaluating the parts of the expression again: an error may take its time.

use jsonata_core::ast::{AstNode, BinaryOp};
use jsonata_core::evaluator::EvaluatorError;
use jsonata_core::parser::{ParserError, parse};
use jsonata_core::value::JValue;

use super::{Expected, tree};
use crate::value::Json;

/// The end of the sentence about a value of the wrong kind.
pub(super) fn unexpected_type(expected: Expected, found: &Json) -> String {
    let expected = match expected {
        Expected::Array => "array",
        Expected::Boolean => "boolean",
        Expected::Integer => "integer",
        Expected::Number => "number",
        Expected::String => "string",
    };
    let kind = match found.jsonata() {
        JValue::Array(_) => "array",
        JValue::Bool(_) => "boolean",
        JValue::Number(_) => "number",
        JValue::Object(_) => "object",
        JValue::String(_) => "string",
        _ => "null",
    };
    format!("returned an unexpected result type. Expected '{expected}', but was '{kind}' for value: {}", found.text())
}

/// Why a text is no expression, in the words of Step Functions: those of jsonata-js, without their code.
pub(crate) fn unparsed(source: &str, error: &ParserError) -> String {
    match error {
        ParserError::UnexpectedToken(token) if token == "Eof" => "Unexpected end of expression".to_owned(),
        ParserError::UnexpectedToken(token) => format!("The symbol \"{}\" cannot be used as a unary operator", symbol(token)),
        ParserError::Expected { expected, found } if found == "Eof" => {
            format!("Expected \"{}\" before end of expression", symbol(expected))
        }
        ParserError::Expected { expected, found } => format!("Expected \"{}\", got \"{}\"", symbol(expected), symbol(found)),
        // The lexer here doesn't tell an unclosed string from an unclosed regular expression, which another slash closes.
        ParserError::UnclosedString if !matches!(parse(&format!("{source}/")), Err(ParserError::UnclosedString)) => {
            "No terminating / in regular expression".to_owned()
        }
        ParserError::UnclosedComment => "Comment has no closing tag".to_owned(),
        error => uncoded(&error.to_string()).to_owned(),
    }
}

/// What follows «threw an error during evaluation»: a full stop, a code and a message; or a colon and a message where one of
/// the bounds was hit. `evaluate` evaluates a part of the expression as if it were alone.
pub(super) fn thrown(error: &EvaluatorError, ast: &AstNode, evaluate: &dyn Fn(&AstNode) -> Result<JValue, EvaluatorError>) -> String {
    let (code, message) = (error.code().unwrap_or_default(), uncoded(error.message()));
    let bound = match code {
        "U1001" | "D1011" => TOO_DEEP,
        "D1012" => "Expression evaluation timeout: Check for infinite loop",
        "D2015" => "Expression evaluation memory limit exceeded: Check for excessive memory usage",
        "" => message,
        code => return format!(". {code}: {}", coded(code, message, &|| culprit(code, ast, evaluate), evaluate)),
    };
    format!(": {bound}")
}

/// What Step Functions says of an expression, or of calls in it, that go too deep.
pub(super) const TOO_DEEP: &str =
    "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive";

fn uncoded(message: &str) -> &str {
    match message.as_bytes() {
        [b'A'..=b'Z', digits @ .., _] if digits.len() > 5 && digits[..4].iter().all(u8::is_ascii_digit) && digits[4] == b':' => {
            message[6..].trim_start()
        }
        _ => message,
    }
}

type Evaluate<'a> = &'a dyn Fn(&AstNode) -> Result<JValue, EvaluatorError>;

/// The message of jsonata-js; the evaluator's own where it is the same or can't be told better.
fn coded(code: &str, message: &str, culprit: &dyn Fn() -> Option<AstNode>, evaluate: Evaluate<'_>) -> String {
    let told = match code {
        "T0410" | "T0411" | "T0412" => signature(code, message, culprit().as_ref()),
        "T2001" | "T2002" | "T2009" | "T2010" => operands(code, culprit().as_ref(), evaluate),
        "D1001" => Some("Number out of range: null".to_owned()),
        "D1002" => match culprit() {
            Some(AstNode::Unary { operand, .. }) => Some(format!("Cannot negate a non-numeric value: {}", value(&operand, evaluate))),
            _ => None,
        },
        "D3030" => match culprit() {
            Some(AstNode::Function { args, .. }) if !args.is_empty() => {
                Some(format!("Unable to cast value to a number: {}", value(&args[0], evaluate)))
            }
            _ => message.split('\'').nth(1).map(|text| format!("Unable to cast value to a number: {}", quoted(text))),
        },
        "T1005" => message
            .split('$')
            .nth(1)
            .map(|name| format!("Attempted to invoke a non-function. Did you mean ${}?", name.trim_end_matches('?'))),
        "T2007" => {
            let values = message.split_once(": ").map_or("", |(_, values)| values);
            values
                .split_once(" and ")
                .map(|(one, other)| format!("Type mismatch when comparing values {one} and {other} in order-by clause"))
        }
        "D3100" => message
            .rsplit(' ')
            .next()
            .map(|radix| format!("The radix of the formatBase function must be between 2 and 36.  It was given {radix}")),
        _ => FIXED.iter().find(|(known, _)| *known == code).map(|(_, fixed)| (*fixed).to_owned()),
    };
    told.unwrap_or_else(|| message.to_owned())
}

fn signature(code: &str, message: &str, culprit: Option<&AstNode>) -> Option<String> {
    let words: Vec<&str> = message.split_whitespace().collect();
    let after = |word: &str| words.iter().position(|known| *known == word).and_then(|at| words.get(at + 1)).copied();
    let index = after("Argument").or_else(|| after("argument")).unwrap_or("1");
    let function = match culprit {
        Some(AstNode::Function { name, .. }) => name,
        _ => after("function").filter(|name| *name != "does" && *name != "must")?.trim_start_matches('$'),
    };
    let kind = words.last().map(|kind| kind.trim_end_matches(')').to_lowercase())?;
    Some(match code {
        "T0411" => format!("Context value is not a compatible type with argument {index} of function \"{function}\""),
        "T0412" => format!("Argument {index} of function \"{function}\" must be an array of \"{kind}s\""),
        _ => format!("Argument {index} of function \"{function}\" does not match function signature"),
    })
}

fn operands(code: &str, culprit: Option<&AstNode>, evaluate: Evaluate<'_>) -> Option<String> {
    let Some(AstNode::Binary { op, lhs, rhs }) = culprit else { return None };
    let operator = operator(*op);
    Some(match code {
        "T2001" => format!("The left side of the \"{operator}\" operator must evaluate to a number"),
        "T2002" => format!("The right side of the \"{operator}\" operator must evaluate to a number"),
        "T2009" => {
            let (lhs, rhs) = (value(lhs, evaluate), value(rhs, evaluate));
            format!("The values {lhs} and {rhs} either side of operator \"{operator}\" must be of the same data type")
        }
        _ => format!("The expressions either side of operator \"{operator}\" must evaluate to numeric or string values"),
    })
}

/// The innermost part that raises that error by itself; a local variable or a context item may keep it from doing so.
fn culprit(code: &str, ast: &AstNode, evaluate: Evaluate<'_>) -> Option<AstNode> {
    let mut found = None;
    let mut candidates = Vec::new();
    tree::each(ast, &mut |node| {
        let may = match node {
            AstNode::Function { .. } => code.starts_with("T04") || code == "D3030",
            AstNode::Binary { op, .. } => code.starts_with("T20") && *op != BinaryOp::ColonEqual,
            AstNode::Unary { .. } => code == "D1002",
            _ => false,
        };
        if may && found.is_none() {
            candidates.push(node.clone());
            if evaluate(node).is_err_and(|error| error.code() == Some(code)) {
                found = Some(node.clone());
            }
        }
    });
    found.or_else(|| if candidates.len() == 1 { candidates.pop() } else { None })
}

fn value(node: &AstNode, evaluate: Evaluate<'_>) -> String {
    evaluate(node).map_or_else(|_| "null".to_owned(), |value| Json::from_jsonata(value).text().to_owned())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn operator(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Modulo => "%",
        BinaryOp::Equal => "=",
        BinaryOp::NotEqual => "!=",
        BinaryOp::LessThan => "<",
        BinaryOp::LessThanOrEqual => "<=",
        BinaryOp::GreaterThan => ">",
        BinaryOp::GreaterThanOrEqual => ">=",
        BinaryOp::And => "and",
        BinaryOp::Or => "or",
        BinaryOp::Concatenate => "&",
        BinaryOp::Range => "..",
        BinaryOp::In => "in",
        BinaryOp::ColonEqual => ":=",
        BinaryOp::FocusBind => "@",
        BinaryOp::IndexBind => "#",
        BinaryOp::Coalesce => "??",
        BinaryOp::Default => "?:",
        BinaryOp::ChainPipe => "~>",
    }
}

/// How the parser here calls the symbols.
fn symbol(token: &str) -> &str {
    let (name, rest) = token.split_once('(').unwrap_or((token, ""));
    match name {
        "Plus" => "+",
        "Minus" => "-",
        "Star" => "*",
        "StarStar" => "**",
        "Slash" => "/",
        "Percent" => "%",
        "Equal" => "=",
        "NotEqual" => "!=",
        "LessThan" => "<",
        "LessThanOrEqual" => "<=",
        "GreaterThan" => ">",
        "GreaterThanOrEqual" => ">=",
        "And" => "and",
        "Or" => "or",
        "In" => "in",
        "Ampersand" => "&",
        "Dot" => ".",
        "DotDot" => "..",
        "Question" | "QuestionQuestion" | "QuestionColon" => "?",
        "Colon" => ":",
        "ColonEqual" => ":=",
        "TildeArrow" => "~>",
        "LeftParen" => "(",
        "RightParen" => ")",
        "LeftBracket" => "[",
        "RightBracket" => "]",
        "LeftBrace" => "{",
        "RightBrace" => "}",
        "Comma" => ",",
        "Semicolon" => ";",
        "Caret" => "^",
        "Pipe" => "|",
        "Hash" => "#",
        "At" => "@",
        "Eof" => "(end)",
        "True" => "true",
        "False" => "false",
        "Null" => "null",
        "Identifier" | "String" | "Variable" | "Number" | "Function" => rest.trim_end_matches(')').trim_matches('"'),
        other => other,
    }
}

/// The messages that say nothing of the evaluation.
const FIXED: &[(&str, &str)] = &[
    ("T1006", "Attempted to invoke a non-function"),
    ("T2003", "The left side of the range operator (..) must evaluate to an integer"),
    ("T2004", "The right side of the range operator (..) must evaluate to an integer"),
    ("D3001", "Attempting to invoke string function on Infinity or NaN"),
    ("D3010", "Second argument of replace function cannot be an empty string"),
    ("D3020", "Third argument of split function must evaluate to a positive number"),
    (
        "D3070",
        "The single argument form of the sort function can only be applied to an array of strings or an array of numbers.  Use the second argument to specify a comparison function",
    ),
    ("D3080", "The picture string must only contain a maximum of two sub-pictures"),
    ("D3081", "The sub-picture must not contain more than one instance of the 'decimal-separator' character"),
    ("D3082", "The sub-picture must not contain more than one instance of the 'percent' character"),
    ("D3083", "The sub-picture must not contain more than one instance of the 'per-mille' character"),
    ("D3084", "The sub-picture must not contain both a 'percent' and a 'per-mille' character"),
    (
        "D3085",
        "The mantissa part of a sub-picture must contain at least one character that is either an 'optional digit character' or a member of the 'decimal digit family'",
    ),
    (
        "D3086",
        "The sub-picture must not contain a passive character that is preceded by an active character and that is followed by another active character",
    ),
    ("D3087", "The sub-picture must not contain a 'grouping-separator' character that appears adjacent to a 'decimal-separator' character"),
    ("D3088", "The sub-picture must not contain a 'grouping-separator' at the end of the integer part"),
    ("D3089", "The sub-picture must not contain two adjacent instances of the 'grouping-separator' character"),
    (
        "D3090",
        "The integer part of the sub-picture must not contain a member of the 'decimal digit family' that is followed by an instance of the 'optional digit character'",
    ),
    (
        "D3091",
        "The fractional part of the sub-picture must not contain an instance of the 'optional digit character' that is followed by a member of the 'decimal digit family'",
    ),
    (
        "D3092",
        "A sub-picture that contains a 'percent' or 'per-mille' character must not contain a character treated as an 'exponent-separator'",
    ),
    (
        "D3093",
        "The exponent part of the sub-picture must comprise only of one or more characters that are members of the 'decimal digit family'",
    ),
];
