//! A tree to a program: names are resolved and types checked here, once.

use super::Refusal;
use super::ast::{Argument, Binary, Expr, Node, Unary};
use super::parse::parse;
use super::program::{Aggregate, Cell, Program, Step};
use crate::diagnose::{Code, Span, did_you_mean, list};

/// What an expression's names mean: the nodes of a plan and their metrics.
pub trait Scope {
    /// The indices of the nodes whose names match, ascending.
    fn matching(&self, glob: &str) -> Vec<usize>;
    /// All node names, for suggestions.
    fn names(&self) -> Vec<&str>;
    /// Whether the node's kind declares the metric; `None` if its kind is not known.
    fn declares(&self, node: usize, metric: &str) -> Option<bool>;
    /// The metrics that the node's kind declares, for suggestions.
    fn metrics(&self, node: usize) -> Vec<&str>;
    /// Whether the roster is complete. If not, unmatched names are no mistake.
    fn is_complete(&self) -> bool;
}

/// Compiles `text`, which must be a condition over metrics of `scope`. All mistakes in names are
/// told at once; a mistake in the grammar is told alone. `Ok(None)` means that nothing is wrong
/// with the expression but the scope is too incomplete to compile it.
///
/// # Errors
/// If it does not parse, its types do not fit, or a name in it means nothing.
pub fn compile(text: &str, scope: &dyn Scope) -> Result<Option<Program>, Vec<Refusal>> {
    let tree = parse(text).map_err(|refusal| vec![refusal])?;
    let mut compiler =
        Compiler { scope, cells: Vec::new(), steps: Vec::new(), refusals: Vec::new(), incomplete: false, reads: false };
    let found = compiler.expr(&tree);
    if found == Some(Type::Int) {
        let refusal = Refusal::new(tree.span.clone(), "this is a number, not a condition");
        compiler.refusals.push(refusal.help("compare it: `… == 3`, `… > 0`"));
    } else if !compiler.reads {
        let refusal = Refusal::new(tree.span, "this expression reads no metric");
        let help = "it would be the same for ever; name one: `metric(\"node\", \"name\") > 0`";
        compiler.refusals.push(refusal.help(help));
    }
    if !compiler.refusals.is_empty() {
        return Err(compiler.refusals);
    }
    if compiler.incomplete {
        return Ok(None);
    }
    Ok(Some(Program { cells: compiler.cells.into(), steps: compiler.steps.into(), text: text.trim().into() }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Int,
    Bool,
}

impl Type {
    fn told(self) -> &'static str {
        match self {
            Self::Int => "a number",
            Self::Bool => "a condition",
        }
    }
}

struct Compiler<'s> {
    scope: &'s dyn Scope,
    cells: Vec<Cell>,
    steps: Vec<Step>,
    refusals: Vec<Refusal>,
    incomplete: bool,
    reads: bool,
}

impl Compiler<'_> {
    /// Emits the steps of `expr`, which leave one value; `None` after a mistake inside it.
    fn expr(&mut self, expr: &Expr) -> Option<Type> {
        match &expr.node {
            Node::Int(value) => {
                self.steps.push(Step::Constant(*value));
                Some(Type::Int)
            }
            Node::Bool(value) => {
                self.steps.push(Step::Constant(i64::from(*value)));
                Some(Type::Bool)
            }
            Node::Call { function, arguments } => self.call(function, arguments, &expr.span),
            Node::Unary(operator, operand) => {
                let (wanted, step) = match operator {
                    Unary::Negate => (Type::Int, Step::Negate),
                    Unary::Not => (Type::Bool, Step::Not),
                };
                self.typed(operand, wanted);
                self.steps.push(step);
                Some(wanted)
            }
            Node::Binary(operator, left, right) => self.binary(*operator, left, right),
            Node::Choice(condition, yes, no) => self.choice(condition, yes, no),
        }
    }

    fn typed(&mut self, expr: &Expr, wanted: Type) {
        let found = self.expr(expr);
        if let Some(found) = found.filter(|found| *found != wanted) {
            let what = format!("this is {}, where {} is needed", found.told(), wanted.told());
            self.refusals.push(Refusal::new(expr.span.clone(), what));
        }
    }

    fn binary(&mut self, operator: Binary, left: &Expr, right: &Expr) -> Option<Type> {
        match operator {
            Binary::And | Binary::Or => {
                self.typed(left, Type::Bool);
                let jump = self.steps.len();
                self.steps.push(Step::Jump(0));
                self.typed(right, Type::Bool);
                let end = self.here();
                self.steps[jump] = match operator {
                    Binary::And => Step::JumpIfFalse(end),
                    _ => Step::JumpIfTrue(end),
                };
                return Some(Type::Bool);
            }
            Binary::Equal | Binary::Unequal => {
                let wanted = self.expr(left);
                match wanted {
                    Some(wanted) => self.typed(right, wanted),
                    None => drop(self.expr(right)),
                }
            }
            _ => {
                self.typed(left, Type::Int);
                self.typed(right, Type::Int);
            }
        }
        let (step, inverted) = match operator {
            Binary::Equal => (Step::Equal, false),
            Binary::Unequal => (Step::Unequal, false),
            Binary::Less => (Step::Less, false),
            Binary::AtMost => (Step::AtMost, false),
            Binary::Greater => (Step::AtMost, true),
            Binary::AtLeast => (Step::Less, true),
            Binary::Add => (Step::Add, false),
            Binary::Subtract => (Step::Subtract, false),
            Binary::Multiply => (Step::Multiply, false),
            Binary::Divide => (Step::Divide, false),
            Binary::Remainder => (Step::Remainder, false),
            Binary::And | Binary::Or => unreachable!("returned above"),
        };
        self.steps.push(step);
        if inverted {
            self.steps.push(Step::Not);
        }
        let compares = operator.is_comparison();
        Some(if compares { Type::Bool } else { Type::Int })
    }

    fn choice(&mut self, condition: &Expr, yes: &Expr, no: &Expr) -> Option<Type> {
        self.typed(condition, Type::Bool);
        let branch = self.steps.len();
        self.steps.push(Step::Branch(0));
        let kind = self.expr(yes);
        let jump = self.steps.len();
        self.steps.push(Step::Jump(0));
        self.steps[branch] = Step::Branch(self.here());
        match kind {
            Some(kind) => self.typed(no, kind),
            None => drop(self.expr(no)),
        }
        self.steps[jump] = Step::Jump(self.here());
        kind
    }

    fn here(&self) -> u32 {
        u32::try_from(self.steps.len()).expect("nesting and text are bounded")
    }

    fn call(&mut self, function: &str, arguments: &[Argument], span: &Span) -> Option<Type> {
        let shape = match function {
            "nodes" => return self.nodes(arguments, span),
            "metric" => (Aggregate::Sum, true),
            "sum" => (Aggregate::Sum, false),
            "min" => (Aggregate::Min, false),
            "max" => (Aggregate::Max, false),
            "count" => (Aggregate::Count, false),
            _ => {
                self.unknown_function(function, span);
                return None;
            }
        };
        self.reads = true;
        let (aggregate, single) = shape;
        let [glob, metric] = arguments else {
            let what = format!("`{function}` takes two names, not {}", arguments.len());
            let pattern = if single { "node" } else { "glob" };
            let help = format!("write `{function}(\"{pattern}\", \"metric\")`");
            self.refusals.push(Refusal::new(span.clone(), what).help(help));
            return None;
        };
        let cell = self.cell(aggregate, single, glob, metric)?;
        let index = self.cells.iter().position(|known| *known == cell);
        let index = index.unwrap_or_else(|| {
            self.cells.push(cell);
            self.cells.len() - 1
        });
        let index = u32::try_from(index).expect("nesting and text are bounded");
        self.steps.push(Step::Cell(index));
        Some(Type::Int)
    }

    fn unknown_function(&mut self, function: &str, span: &Span) {
        const FUNCTIONS: [&str; 6] = ["metric", "sum", "min", "max", "count", "nodes"];
        let help = match did_you_mean(function, FUNCTIONS) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("functions are {}", list(FUNCTIONS)),
        };
        let name = span.start..span.start + function.len();
        let what = format!("there is no function `{function}`");
        self.refusals.push(Refusal::new(name, what).help(help));
        self.reads = true;
    }

    fn nodes(&mut self, arguments: &[Argument], span: &Span) -> Option<Type> {
        let [glob] = arguments else {
            let refusal = Refusal::new(span.clone(), "`nodes` takes one name");
            self.refusals.push(refusal.help("write `nodes(\"glob\")`"));
            return None;
        };
        let matching = self.matching(glob);
        let count = matching.map_or(0, |nodes| nodes.len());
        self.steps.push(Step::Constant(i64::try_from(count).unwrap_or(i64::MAX)));
        Some(Type::Int)
    }

    fn matching(&mut self, glob: &Argument) -> Option<Vec<usize>> {
        let nodes = self.scope.matching(&glob.text);
        if !nodes.is_empty() {
            return Some(nodes);
        }
        if !self.scope.is_complete() {
            self.incomplete = true;
            return None;
        }
        let names = self.scope.names();
        let help = match did_you_mean(&glob.text, names.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("nodes are {}", list(names)),
        };
        let what = format!("no node matches \"{}\"", glob.text);
        let refusal = Refusal::new(glob.span.clone(), what).help(help);
        self.refusals.push(refusal.coded(Code::NoMatch));
        None
    }

    fn cell(&mut self, aggregate: Aggregate, single: bool, glob: &Argument, metric: &Argument) -> Option<Cell> {
        let nodes = self.matching(glob)?;
        if single && nodes.len() > 1 {
            let what = format!("`metric` is of one node, but \"{}\" matches {}", glob.text, nodes.len());
            let help = format!("write `sum(\"{}\", \"{}\")`, or min, max, count", glob.text, metric.text);
            self.refusals.push(Refusal::new(glob.span.clone(), what).help(help));
            return None;
        }
        let known: Vec<Option<bool>> = nodes.iter().map(|node| self.scope.declares(*node, &metric.text)).collect();
        if known.contains(&None) {
            self.incomplete = true;
        } else if !known.contains(&Some(true)) {
            self.unknown_metric(&nodes, glob, metric);
            return None;
        }
        let nodes = nodes.iter().zip(known);
        Some(Cell {
            aggregate,
            nodes: nodes.filter(|(_, known)| *known == Some(true)).map(|(node, _)| *node).collect(),
            metric: metric.text.as_str().into(),
        })
    }

    fn unknown_metric(&mut self, nodes: &[usize], glob: &Argument, metric: &Argument) {
        let mut metrics: Vec<&str> = Vec::new();
        for name in nodes.iter().flat_map(|node| self.scope.metrics(*node)) {
            if !metrics.contains(&name) {
                metrics.push(name);
            }
        }
        let help = match did_you_mean(&metric.text, metrics.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"? Metrics are {}", list(metrics)),
            None => format!("metrics are {}", list(metrics)),
        };
        let what = format!("\"{}\" has no metric \"{}\"", glob.text, metric.text);
        let refusal = Refusal::new(metric.span.clone(), what).help(help);
        self.refusals.push(refusal.coded(Code::UnknownMetric));
    }
}
