//! The tree of all paths, a node a segment.
//!
//! At each node a fixed segment is tried before a parameter and a parameter before the rest, and what leads nowhere is
//! left for the next: a request visits each node at most once, and nothing is allocated.

use super::{PARAMS_MAX, Span};

/// A segment of a path as it is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment<'path> {
    Fixed(&'path str),
    Param(&'path str),
    Rest(&'path str),
}

/// Reads a path's segments. It begins with a slash.
pub(super) fn segments(path: &str) -> impl Iterator<Item = Segment<'_>> {
    path.strip_prefix('/').unwrap_or(path).split('/').map(|text| match text.as_bytes().first() {
        Some(b':') => Segment::Param(&text[1..]),
        Some(b'*') => Segment::Rest(&text[1..]),
        _ => Segment::Fixed(text),
    })
}

/// Where the parameters of a match stand in its path.
pub(super) type Values = [Span; PARAMS_MAX];

#[derive(Debug, Default)]
struct Node {
    /// In order, to be found by halving.
    fixed: Vec<(Box<str>, usize)>,
    param: Option<usize>,
    rest: Option<usize>,
    route: Option<usize>,
}

/// Paths, each with a number.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    /// Puts a route in its place, or says which has it already.
    pub(super) fn insert(&mut self, path: &str, route: usize) -> Result<(), usize> {
        let mut at = 0;
        for segment in segments(path) {
            at = match segment {
                Segment::Fixed(text) => match self.nodes[at].fixed.binary_search_by(|(own, _)| (**own).cmp(text)) {
                    Ok(index) => self.nodes[at].fixed[index].1,
                    Err(index) => {
                        let child = self.add();
                        self.nodes[at].fixed.insert(index, (text.into(), child));
                        child
                    }
                },
                Segment::Param(_) => match self.nodes[at].param {
                    Some(child) => child,
                    None => {
                        let child = self.add();
                        self.nodes[at].param = Some(child);
                        child
                    }
                },
                Segment::Rest(_) => return claim(&mut self.nodes[at].rest, route),
            };
        }
        claim(&mut self.nodes[at].route, route)
    }

    fn add(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// The route of a request path, as if it ended in one more slash if `slash` is set.
    pub(super) fn find(&self, path: &str, slash: bool, values: &mut Values) -> Option<usize> {
        if !path.starts_with('/') || path.len() > usize::from(u16::MAX) {
            return None;
        }
        self.descend(0, path, 1, slash, values, 0)
    }

    fn descend(
        &self,
        node: usize,
        path: &str,
        start: usize,
        slash: bool,
        values: &mut Values,
        params: usize,
    ) -> Option<usize> {
        let node = &self.nodes[node];
        let rest = &path[start..];
        let end = start + rest.bytes().position(|byte| byte == b'/').unwrap_or(rest.len());
        let onward = |child: usize, values: &mut Values, params: usize| {
            if end < path.len() {
                return self.descend(child, path, end + 1, slash, values, params);
            }
            let child = &self.nodes[child];
            if slash { child.fixed("").and_then(|child| self.nodes[child].route) } else { child.route }
        };
        if let Some(child) = node.fixed(&path[start..end])
            && let Some(route) = onward(child, values, params)
        {
            return Some(route);
        }
        if let Some(child) = node.param
            && start < end
        {
            values[params] = Span::new(start, end);
            if let Some(route) = onward(child, values, params + 1) {
                return Some(route);
            }
        }
        let route = node.rest.filter(|_| start < path.len() && !slash)?;
        values[params] = Span::new(start, path.len());
        Some(route)
    }
}

impl Node {
    fn fixed(&self, text: &str) -> Option<usize> {
        let index = match &self.fixed[..] {
            [] => return None,
            [(only, _)] => return (**only == *text).then(|| self.fixed[0].1),
            many => many.binary_search_by(|(own, _)| (**own).cmp(text)).ok()?,
        };
        Some(self.fixed[index].1)
    }
}

fn claim(place: &mut Option<usize>, route: usize) -> Result<(), usize> {
    match *place {
        Some(other) => Err(other),
        None => {
            *place = Some(route);
            Ok(())
        }
    }
}
