//! From tokens to a tree, by the binding power of the operators.

use super::lex::{Token, tokens};
use super::{FUNCTIONS, Function, Mistake, Node, Operation};
use crate::near::nearest;

/// Nobody writes deeper; the stack is not endless.
const DEEPEST: usize = 64;
/// No longer text is an expression.
const LONGEST: usize = 4096;

const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARE: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;
const SIGN: u8 = 7;

pub(super) fn parse(text: &str) -> Result<Node, Mistake> {
    if text.len() > LONGEST {
        return Err(Mistake::new(0, format!("the expression is longer than {LONGEST} bytes"), "make several checks of it"));
    }
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0 };
    let node = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(node),
        Token::Sign(')') => Err(Mistake::new(parser.at(), "there is no ( to this )", "remove it, or open it before")),
        _ => Err(Mistake::new(parser.at(), "an operator is missing here", "join the parts with and, or, or a comparison")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |(at, _)| *at)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    /// All that binds more tightly than `power`.
    fn expression(&mut self, power: u8) -> Result<Node, Mistake> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Mistake::new(self.at(), "the expression is nested too deeply", "make several checks of it"));
        }
        let mut left = self.operand()?;
        loop {
            let at = self.at();
            let token = self.peek().clone();
            let Some(own) = binding(&token).filter(|own| *own > power) else { break };
            self.next += 1;
            let begin = self.at();
            let right = self.expression(own)?;
            left = match token {
                Token::Compare(_) if matches!(left, Node::Compare(..)) => {
                    return Err(Mistake::new(at, "comparisons cannot be chained", "write a < b and b < c"));
                }
                Token::Compare(comparison) => Node::Compare(comparison, Box::new(left), Box::new(right)),
                Token::Name(word) if word == "and" => Node::And(Box::new(left), Box::new(right)),
                Token::Name(_) => Node::Or(Box::new(left), Box::new(right)),
                Token::Sign(sign) => {
                    let operation = match sign {
                        '+' => Operation::Add,
                        '-' => Operation::Subtract,
                        '*' => Operation::Multiply,
                        '/' => Operation::Divide,
                        _ => Operation::Remainder,
                    };
                    let divisor = self.text[begin..self.at()].trim().to_owned();
                    Node::Arithmetic(operation, Box::new(left), Box::new(right), divisor)
                }
                _ => left,
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Node, Mistake> {
        let at = self.at();
        match self.take() {
            Token::Number(number) => Ok(Node::Number(number)),
            Token::Text(text) => Ok(Node::Text(text)),
            Token::Sign('-') => Ok(Node::Negative(Box::new(self.expression(SIGN)?))),
            Token::Sign('(') => {
                let inner = self.expression(0)?;
                self.close(at)?;
                Ok(inner)
            }
            Token::Name(word) => match word.as_str() {
                "true" | "false" => Ok(Node::Bool(word == "true")),
                "not" => Ok(Node::Not(Box::new(self.expression(NOT)?))),
                "and" | "or" => Err(Mistake::new(at, format!("nothing stands before {word}"), "a condition belongs on both sides")),
                _ if *self.peek() == Token::Sign('(') => self.call(&word, at),
                _ => Ok(Node::Name(word)),
            },
            Token::End => Err(Mistake::new(at, "the expression ends too early", "a name or a number is missing")),
            Token::Compare(_) | Token::Sign(_) => {
                Err(Mistake::new(at, "a name or a number is missing here", "an operator needs a value on both sides"))
            }
        }
    }

    fn close(&mut self, opened: usize) -> Result<(), Mistake> {
        match self.peek() {
            Token::Sign(')') => {
                self.next += 1;
                Ok(())
            }
            Token::End => Err(Mistake::new(opened, "this ( is not closed", "add a )")),
            _ => Err(Mistake::new(self.at(), "an operator or ) is missing here", "join the parts with an operator")),
        }
    }

    fn call(&mut self, word: &str, at: usize) -> Result<Node, Mistake> {
        let Some(&(_, function, of_name)) = FUNCTIONS.iter().find(|(name, ..)| *name == word) else {
            let names: Vec<&str> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
            let hint = nearest(word, names.iter().copied())
                .map_or_else(|| format!("there are {}", names.join(", ")), |near| format!("did you mean {near}?"));
            return Err(Mistake::new(at, format!("there is no function {word}"), hint));
        };
        let opened = self.at();
        self.next += 1;
        let mut arguments = Vec::new();
        while *self.peek() != Token::Sign(')') {
            let begin = self.at();
            let argument = self.expression(0)?;
            if of_name && !matches!(argument, Node::Name(_)) {
                return Err(Mistake::new(begin, format!("{word} takes the name of a metric"), format!("write {word}(NAME)")));
            }
            arguments.push(argument);
            if *self.peek() != Token::Sign(',') {
                break;
            }
            self.next += 1;
        }
        self.close(opened)?;
        let (least, most) = match function {
            Function::Min | Function::Max => (1, usize::MAX),
            Function::Round => (1, 2),
            _ => (1, 1),
        };
        if arguments.len() < least || arguments.len() > most {
            let wanted = if most == 1 {
                "one value".to_owned()
            } else if most == 2 {
                "one value, or a value and the number of digits".to_owned()
            } else {
                "values".to_owned()
            };
            return Err(Mistake::new(at, format!("{word} takes {wanted}"), format!("see {word} in docs/profiles.md")));
        }
        Ok(Node::Call(function, arguments))
    }
}

fn binding(token: &Token) -> Option<u8> {
    match token {
        Token::Name(word) if word == "or" => Some(OR),
        Token::Name(word) if word == "and" => Some(AND),
        Token::Compare(_) => Some(COMPARE),
        Token::Sign('+' | '-') => Some(SUM),
        Token::Sign('*' | '/' | '%') => Some(PRODUCT),
        _ => None,
    }
}
