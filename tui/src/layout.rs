//! Which panes are shown on a terminal of a given size, and where.

use ratatui::layout::{Constraint, Layout, Rect, Size};

/// A part of the screen that can have the focus, in the order in which Tab goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    Nodes,
    Details,
    Links,
    Expectations,
    Trace,
    Failures,
}

impl Pane {
    pub(crate) const ALL: [Self; 6] =
        [Self::Nodes, Self::Details, Self::Links, Self::Expectations, Self::Trace, Self::Failures];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Details => "node",
            Self::Links => "links",
            Self::Expectations => "expectations",
            Self::Trace => "trace",
            Self::Failures => "failures",
        }
    }

    /// Lines that are not content: borders, and the heads of tables.
    const fn frame_lines(self) -> u16 {
        match self {
            Self::Nodes | Self::Links => 3,
            Self::Details | Self::Expectations | Self::Trace | Self::Failures => 2,
        }
    }
}

/// The smallest terminal on which anything useful can be shown.
pub(crate) const SMALLEST: Size = Size::new(crate::SMALLEST.0, crate::SMALLEST.1);
/// From here on several panes fit side by side.
const DASHBOARD: Size = Size::new(80, 22);
/// From here on all of them do.
const WIDE: Size = Size::new(110, 28);

/// What the arrangement depends on, besides the terminal's size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    pub(crate) focus: Pane,
    /// The focused pane is to have all the room.
    pub(crate) is_zoomed: bool,
    pub(crate) nodes: usize,
    pub(crate) cables: usize,
    pub(crate) expectations: usize,
    pub(crate) failures: usize,
}

/// Where everything goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrangement {
    pub(crate) header: Rect,
    /// Where the names of the panes stand, if only one of them is shown.
    pub(crate) tabs: Option<Rect>,
    pub(crate) panes: Vec<(Pane, Rect)>,
    pub(crate) footer: Rect,
}

impl Arrangement {
    /// How many lines of content a pane shows; none if it is not shown.
    pub(crate) fn lines(&self, pane: Pane) -> usize {
        let area = self.panes.iter().find(|(shown, _)| *shown == pane);
        area.map_or(0, |(_, area)| area.height.saturating_sub(pane.frame_lines()).into())
    }
}

/// Arranges the panes, or `None` if the terminal is too small for any of them.
pub(crate) fn arrange(size: Size, needs: &Needs) -> Option<Arrangement> {
    let fits = |least: Size| size.width >= least.width && size.height >= least.height;
    if !fits(SMALLEST) {
        return None;
    }
    let whole = Rect::from(size);
    let is_single = needs.is_zoomed || !fits(DASHBOARD);
    let [header, tabs, body, footer] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(is_single.into()),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(whole);
    let panes = if is_single {
        vec![(needs.focus, body)]
    } else if fits(WIDE) {
        wide(body, needs)
    } else {
        dashboard(body, needs)
    };
    Some(Arrangement { header, tabs: is_single.then_some(tabs), panes, footer })
}

/// Nodes and links above; the trace; verdicts below. The selected node's details take the links' place when focused.
fn dashboard(body: Rect, needs: &Needs) -> Vec<(Pane, Rect)> {
    let top = height(needs.nodes.max(needs.cables), 3, 5, body.height * 2 / 5);
    let [top, trace, verdicts] =
        Layout::vertical([Constraint::Length(top), Constraint::Fill(1), verdict_height(body, needs)]).areas(body);
    let [nodes, beside] = Layout::horizontal([Constraint::Percentage(42), Constraint::Fill(1)]).areas(top);
    let second = if needs.focus == Pane::Details { Pane::Details } else { Pane::Links };
    let mut panes = vec![(Pane::Nodes, nodes), (second, beside), (Pane::Trace, trace)];
    panes.extend(verdict_panes(verdicts, needs));
    panes
}

/// The world on the left, what it does on the right, verdicts below.
fn wide(body: Rect, needs: &Needs) -> Vec<(Pane, Rect)> {
    let [upper, verdicts] = Layout::vertical([Constraint::Fill(1), verdict_height(body, needs)]).areas(body);
    let [left, right] = Layout::horizontal([Constraint::Percentage(42), Constraint::Fill(1)]).areas(upper);
    let nodes = height(needs.nodes, 3, 5, upper.height / 2);
    let [nodes, details] = Layout::vertical([Constraint::Length(nodes), Constraint::Fill(1)]).areas(left);
    let links = height(needs.cables, 3, 4, upper.height / 2);
    let [links, trace] = Layout::vertical([Constraint::Length(links), Constraint::Fill(1)]).areas(right);
    let mut panes = vec![(Pane::Nodes, nodes), (Pane::Details, details), (Pane::Links, links), (Pane::Trace, trace)];
    panes.extend(verdict_panes(verdicts, needs));
    panes
}

fn verdict_height(body: Rect, needs: &Needs) -> Constraint {
    Constraint::Length(height(needs.expectations.max(needs.failures), 2, 3, body.height / 3))
}

fn verdict_panes(area: Rect, needs: &Needs) -> Vec<(Pane, Rect)> {
    if needs.failures == 0 {
        return vec![(Pane::Expectations, area)];
    }
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(area);
    vec![(Pane::Expectations, left), (Pane::Failures, right)]
}

/// As high as the content, within limits.
fn height(lines: usize, frame: u16, least: u16, most: u16) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(frame).min(most).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: Needs =
        Needs { focus: Pane::Nodes, is_zoomed: false, nodes: 4, cables: 4, expectations: 3, failures: 1 };

    #[test]
    fn no_pane_leaves_the_screen_or_lies_on_another() {
        for (width, height) in [(60, 15), (79, 40), (80, 22), (80, 24), (109, 60), (110, 28), (300, 100)] {
            for focus in Pane::ALL {
                let size = Size::new(width, height);
                let arrangement = arrange(size, &Needs { focus, nodes: 500, ..NEEDS }).expect("large enough");
                let mut areas = vec![arrangement.header, arrangement.footer];
                areas.extend(arrangement.tabs);
                areas.extend(arrangement.panes.iter().map(|(_, area)| *area));
                let covered: u32 = areas.iter().map(|area| area.area()).sum();
                assert_eq!(covered, Rect::from(size).area(), "{size}: all of it, once");
                assert!(arrangement.lines(focus) > 0, "{size}: {focus:?} is seen when it has the focus");
            }
        }
    }

    #[test]
    fn a_tiny_terminal_shows_nothing() {
        assert_eq!(arrange(Size::new(59, 15), &NEEDS), None);
        assert_eq!(arrange(Size::new(60, 14), &NEEDS), None);
    }
}
