//! What a node's stack will read, told to the sim before it does.

use std::rc::Rc;

use wavetank_sim::node::Node;
use wavetank_sim::prefetch::Foresight;
use wavetank_stack::Stack;

/// Has the sim ask `stack` what it will read for frames that come by the node's interface of that index, which runs it. For
/// those who hold thousands of connections.
pub fn foresee(node: &Node, index: usize, stack: &Stack<'static>) {
    if let Some(nic) = node.nic(index) {
        nic.foresee(Rc::new(Foreseen(stack.clone())), index);
    }
}

struct Foreseen(Stack<'static>);

impl Foresight for Foreseen {
    fn fetch(&self, _: usize, frame: &[u8], step: u8, memo: &mut u64) -> bool {
        self.0.foresee(frame, step, memo)
    }
}
