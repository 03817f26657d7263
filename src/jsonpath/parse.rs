//! Parses templates.
//!
//! Upstream: `client-go/util/jsonpath/parser.go`. Its quirks are kept, because expressions that people have rely on them:
//! `['a.b']` is two fields, a filter ends at the first `)` that is not in its first quoted text, and brackets do not nest.

mod quoted;

use serde_json::Value;

use self::quoted::unquote;
use super::failure::{Failure, position_in};
use super::syntax::{Block, Filter, Operator, Slice, Step, StepKind};

/// The longest template in bytes.
const LONGEST: usize = 64 * 1024;
/// How deep filters and unions can be nested.
const DEEPEST: usize = 16;

/// Parses a template.
pub(super) fn template(text: &str) -> Result<Vec<Block>, Failure> {
    if text.len() > LONGEST {
        return Err(Failure::new(format!("the template is longer than {} KiB", LONGEST / 1024), 1));
    }
    let mut parser = Parser { input: text, pos: 0, place: Place { template: text, shift: 0, depth: 0 } };
    parser.template().map_err(|failure| failure.in_text(text))
}

/// Where a parsed text is in the template.
#[derive(Clone, Copy)]
struct Place<'t> {
    template: &'t str,
    /// The offset of the text in the template. Nested expressions have a brace more than the template.
    shift: isize,
    depth: usize,
}

struct Parser<'t, 'i> {
    input: &'i str,
    pos: usize,
    place: Place<'t>,
}

impl Parser<'_, '_> {
    fn template(&mut self) -> Result<Vec<Block>, Failure> {
        let mut blocks = Vec::new();
        loop {
            let rest = &self.input[self.pos..];
            let (text, has_more) = rest.find('{').map_or((rest, false), |open| (&rest[..open], true));
            if !text.is_empty() {
                blocks.push(Block::Text(text.to_owned()));
            }
            if !has_more {
                return Ok(blocks);
            }
            self.pos += text.len() + 1;
            blocks.push(Block::Action(self.action()?));
        }
    }

    /// Parses an expression up to its closing brace.
    fn action(&mut self) -> Result<Vec<Step>, Failure> {
        let mut steps = Vec::new();
        loop {
            let at = self.pos;
            let rest = &self.input[at..];
            if rest.starts_with("[?(") {
                let kind = self.filter()?;
                self.push(&mut steps, at, kind);
                continue;
            }
            if rest.starts_with("..") {
                self.recursive(&mut steps)?;
                continue;
            }
            match self.next() {
                Some('}') => return Ok(steps),
                None | Some('\r' | '\n') => return Err(self.failure("the expression has no closing brace", at)),
                Some(' ' | '@' | '$') => {}
                Some('[') => self.bracket(at, &mut steps)?,
                Some(quote @ ('"' | '\'')) => {
                    let kind = self.quote(at, quote)?;
                    self.push(&mut steps, at, kind);
                }
                Some('.') => {
                    let kind = self.field();
                    self.push(&mut steps, at, kind);
                }
                Some(c) if c == '+' || c == '-' || c.is_ascii_digit() => {
                    let kind = self.number(at)?;
                    self.push(&mut steps, at, kind);
                }
                Some(c) if c == '_' || c.is_alphanumeric() => {
                    let kind = self.keyword(at)?;
                    self.push(&mut steps, at, kind);
                }
                Some(c) => {
                    return Err(self.failure(&format!("unexpected character {c:?}"), at));
                }
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.input[self.pos..].chars().next()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    /// Moves to the first character that is the end of a name.
    fn skip_name(&mut self) {
        let is_end = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}');
        let rest = &self.input[self.pos..];
        let mut is_escaped = false;
        let end = rest.find(|c| {
            let was_escaped = is_escaped;
            is_escaped = !was_escaped && c == '\\';
            !was_escaped && is_end(c)
        });
        self.pos += end.unwrap_or(rest.len());
    }

    /// The field after a dot.
    fn field(&mut self) -> StepKind {
        let start = self.pos;
        self.skip_name();
        match &self.input[start..self.pos] {
            "*" => StepKind::Wildcard,
            name => StepKind::Field(name.replace('\\', "")),
        }
    }

    fn recursive(&mut self, steps: &mut Vec<Step>) -> Result<(), Failure> {
        let at = self.pos;
        if steps.last().is_some_and(|step| step.kind == StepKind::Recursive) {
            return Err(self.failure(".. cannot follow ..", at));
        }
        self.pos += "..".len();
        self.push(steps, at, StepKind::Recursive);
        if self.input[self.pos..].starts_with(|c: char| c == '_' || c.is_alphanumeric()) {
            let at = self.pos;
            let kind = self.field();
            self.push(steps, at, kind);
        }
        Ok(())
    }

    /// A word without a dot. Upstream reports an unknown one only when it is evaluated.
    fn keyword(&mut self, at: usize) -> Result<StepKind, Failure> {
        self.pos = at;
        // A backslash has no meaning in a keyword; no keyword has one.
        self.skip_name();
        match &self.input[at..self.pos] {
            "true" => Ok(StepKind::Literal(Value::Bool(true))),
            "false" => Ok(StepKind::Literal(Value::Bool(false))),
            word @ ("range" | "end") if self.place.depth > 0 => {
                Err(self.failure(&format!("{word} is not possible in brackets"), at))
            }
            "range" => Ok(StepKind::Range),
            "end" => Ok(StepKind::End),
            word => Err(self.failure(&format!("unknown keyword {word:?}: a field begins with a dot"), at)),
        }
    }

    fn number(&mut self, at: usize) -> Result<StepKind, Failure> {
        let rest = &self.input[self.pos..];
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit());
        self.pos += end.unwrap_or(rest.len());
        let text = &self.input[at..self.pos];
        let integer = text.parse::<i64>().map(Value::from);
        let number = integer.ok().or_else(|| serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number));
        number.map(StepKind::Literal).ok_or_else(|| self.failure(&format!("{text:?} is not a number"), at))
    }

    fn quote(&mut self, at: usize, quote: char) -> Result<StepKind, Failure> {
        loop {
            match self.next() {
                None | Some('\n') => return Err(self.failure("the quoted text has no end", at)),
                Some(c) if c == quote && self.input.as_bytes()[self.pos - 2] != b'\\' => break,
                Some(_) => {}
            }
        }
        let text = &self.input[at..self.pos];
        let text = unquote(text, quote).ok_or_else(|| self.failure("invalid escape in the quoted text", at))?;
        Ok(StepKind::Text(text))
    }

    /// What follows an opening bracket: a union, a quoted field, an index or a slice.
    fn bracket(&mut self, at: usize, steps: &mut Vec<Step>) -> Result<(), Failure> {
        let rest = &self.input[self.pos..];
        let text = match rest.find([']', '\n']) {
            Some(end) if rest[end..].starts_with(']') => &rest[..end],
            _ => return Err(self.failure("the bracket is not closed", at)),
        };
        let start = self.pos;
        self.pos += text.len() + 1;
        let text = if text == "*" { ":" } else { text };
        if text.contains(',') {
            let part = |part: &str| self.nested(&format!("[{}]", part.trim_matches(' ')), start);
            let parts = text.split(',').map(part).collect::<Result<_, _>>()?;
            self.push(steps, at, StepKind::Union(parts));
            return Ok(());
        }
        let field = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        if let Some(field) = field.filter(|field| !field.contains('\'')) {
            steps.extend(self.nested(&format!(".{field}"), start)?);
            return Ok(());
        }
        match slice(text) {
            Some(slice) => {
                self.push(steps, at, StepKind::Slice(slice));
                Ok(())
            }
            None => Err(self.failure(&format!("invalid array index {text:?}"), at)),
        }
    }

    fn filter(&mut self) -> Result<StepKind, Failure> {
        let at = self.pos;
        self.pos += "[?(".len();
        let start = self.pos;
        // Only the first quoted text can contain a parenthesis.
        let (mut quote, mut is_closed) = (None, false);
        loop {
            match self.next() {
                None | Some('\n') => return Err(self.failure("the filter has no closing parenthesis", at)),
                Some(c @ ('"' | '\'')) => match quote {
                    None => quote = Some(c),
                    Some(quote) => is_closed |= c == quote && self.input.as_bytes()[self.pos - 2] != b'\\',
                },
                Some(')') if quote.is_some() == is_closed => break,
                Some(_) => {}
            }
        }
        let text = &self.input[start..self.pos - 1];
        if self.next() != Some(']') {
            return Err(self.failure("the filter has no closing bracket", at));
        }
        let Some((left, sign, right)) = comparison(text) else {
            return Ok(StepKind::Filter(Filter::Exists(self.nested(text, start)?)));
        };
        let (of_left, of_right) = (start, start + left.len() + sign.len());
        let (left, right) = (self.nested(left, of_left)?, self.nested(right, of_right)?);
        let operator = match sign {
            "==" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            sign => return Err(self.failure(&format!("unknown operator {sign:?} in the filter"), at)),
        };
        Ok(StepKind::Filter(Filter::Compare(left, operator, right)))
    }

    /// Parses an expression inside of brackets, which begins at this offset.
    fn nested(&self, text: &str, start: usize) -> Result<Vec<Step>, Failure> {
        let depth = self.place.depth + 1;
        if depth > DEEPEST {
            return Err(self.failure(&format!("brackets are nested more than {DEEPEST} levels deep"), start));
        }
        let shift = self.place.shift + isize::try_from(start).unwrap_or_default() - 1;
        let place = Place { shift, depth, ..self.place };
        let mut parser = Parser { input: &format!("{{{text}}}"), pos: 1, place };
        // Upstream ignores what follows a closing brace here.
        parser.action()
    }

    fn push(&self, steps: &mut Vec<Step>, at: usize, kind: StepKind) {
        steps.push(Step { at: position_in(self.place.template, self.offset(at)), kind });
    }

    fn failure(&self, message: &str, at: usize) -> Failure {
        Failure::new(message, self.offset(at))
    }

    /// The offset in the template.
    fn offset(&self, at: usize) -> usize {
        at.checked_add_signed(self.place.shift).unwrap_or_default()
    }
}

/// Splits a filter at its operator: at least one character before it and after it.
fn comparison(text: &str) -> Option<(&str, &str, &str)> {
    let is_sign = |c: char| matches!(c, '!' | '<' | '>' | '=');
    let start = text.find(is_sign).filter(|start| *start > 0)?;
    let length = text[start..].find(|c| !is_sign(c)).unwrap_or(text.len() - start);
    // The last sign is the right side if nothing else is.
    let length = if start + length == text.len() { length - 1 } else { length };
    (length > 0).then(|| (&text[..start], &text[start..start + length], &text[start + length..]))
}

/// Parses `1`, `-1`, `1:3`, `:`, `::2`. An empty text is the index 0.
fn slice(text: &str) -> Option<Slice> {
    let parts: Vec<&str> = text.split(':').collect();
    let number = |text: &str| match text {
        "" => Some(None),
        text if text.starts_with('+') => None,
        text => text.parse::<i64>().ok().map(Some),
    };
    let (from, to, step) = match parts.as_slice() {
        [from] => {
            let from = number(from)?;
            return Some(Slice {
                from,
                to: Some(from.unwrap_or_default().checked_add(1)?),
                is_index: true,
                step: None,
            });
        }
        [from, to] => (from, to, &""),
        [from, to, step] => (from, to, step),
        _ => return None,
    };
    Some(Slice { from: number(from)?, to: number(to)?, is_index: false, step: number(step)? })
}
