//! Endpoints within endpoints: of a route with middleware of its own, and of a nested app.

use std::marker::PhantomData;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;

use crate::handler::Endpoint;
use crate::middleware::{Chain, Next};
use crate::route::Surround;
use crate::{Request, Response};

/// An endpoint with middleware of its own around it.
pub(super) struct Layered<State> {
    chain: Rc<Chain<State>>,
    endpoint: Rc<dyn Endpoint<State>>,
}

impl<State: 'static> Layered<State> {
    pub(super) fn around(chain: Chain<State>, endpoint: Rc<dyn Endpoint<State>>) -> Rc<dyn Endpoint<State>> {
        Rc::new(Self { chain: Rc::new(chain), endpoint })
    }
}

impl<State: 'static> Endpoint<State> for Layered<State> {
    fn call(&self, request: Request<State>) -> LocalBoxFuture<'static, Response> {
        Next::new(Rc::clone(&self.chain), Rc::clone(&self.endpoint)).run(request)
    }
}

/// An app nested in another: what its requests need.
pub(super) struct Mount<State> {
    pub(super) state: Rc<State>,
    pub(super) chain: Rc<Chain<State>>,
    /// How many segments of the outer app's paths are not its own.
    pub(super) segments: usize,
}

impl<State: 'static> Mount<State> {
    pub(super) fn endpoint<Outer: 'static>(
        self: &Rc<Self>,
        endpoint: &Rc<dyn Endpoint<State>>,
    ) -> Rc<dyn Endpoint<Outer>> {
        Rc::new(Mounted { mount: Rc::clone(self), endpoint: Rc::clone(endpoint), outer: PhantomData })
    }

    pub(super) fn surround<Outer: 'static>(self: &Rc<Self>, inner: Surround<State>) -> Surround<Outer> {
        let mount = Rc::clone(self);
        Rc::new(move |fixed| mount.endpoint(&inner(fixed)))
    }
}

/// An endpoint of a nested app as one of the outer app.
struct Mounted<Outer, State> {
    mount: Rc<Mount<State>>,
    endpoint: Rc<dyn Endpoint<State>>,
    outer: PhantomData<fn(Outer)>,
}

impl<Outer, State: 'static> Endpoint<Outer> for Mounted<Outer, State> {
    fn call(&self, request: Request<Outer>) -> LocalBoxFuture<'static, Response> {
        let request = request.nested(Rc::clone(&self.mount.state), self.mount.segments);
        Next::new(Rc::clone(&self.mount.chain), Rc::clone(&self.endpoint)).run(request)
    }
}
