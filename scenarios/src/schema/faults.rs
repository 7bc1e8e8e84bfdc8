//! Every kind of fault, for the reader and for whoever lists them.

/// What a fault can happen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Links of a network.
    Link,
    /// Nodes.
    Node,
    /// Networks with switches.
    Network,
}

/// Whether a fault takes `for`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// It may; without it the fault lasts to the end.
    Yes,
    /// It happens in one moment.
    No,
}

/// A kind of fault.
#[derive(Debug)]
pub struct FaultShape {
    /// As in `kind = "…"`.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// What it can happen to.
    pub target: Target,
    /// Whether it lasts.
    pub lasting: Lasting,
    /// The keys that only some kinds take.
    pub takes: &'static [&'static str],
    /// Those of them that must be there.
    pub needs: &'static [&'static str],
    /// Whether storms can bring it.
    pub strikes: bool,
    /// A fault that is right.
    pub example: &'static str,
}

/// The keys that only some kinds take.
pub(super) const SPECIAL: &[&str] = &[
    "direction",
    "others",
    "profile",
    "mtu",
    "poll",
    "by",
    "drift_ppm",
    "part",
    "operation",
    "factor",
    "extra",
    "count",
    "probability",
    "free",
    "nth",
    "off",
    "bits",
    "address",
    "interval",
    "to",
    "via",
];

/// Every kind of fault. A new kind is a row here, a variant of
/// [`FaultKind`](super::FaultKind) and, if it has parameters, their keys in the `[[fault]]` table.
pub static FAULTS: &[FaultShape] = &[
    FaultShape {
        name: "cut-link",
        doc: "Nothing passes the link, either way or one way; frames under way on it are lost.",
        target: Target::Link,
        lasting: Lasting::Yes,
        takes: &["direction"],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"cut-link\"\ntarget = \"thermostat-2\"\n",
    },
    FaultShape {
        name: "clog",
        doc: "Nothing passes the link, but what is sent waits, and comes in order when the fault ends.",
        target: Target::Link,
        lasting: Lasting::Yes,
        takes: &["direction"],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"clog\"\ntarget = \"lan/hub\"\ndirection = \"down\"\n",
    },
    FaultShape {
        name: "degrade",
        doc: "The link does what another profile says. Of several the latest counts.",
        target: Target::Link,
        lasting: Lasting::Yes,
        takes: &["direction", "profile"],
        needs: &["profile"],
        strikes: false,
        example: "[[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"degrade\"\ntarget = \"thermostat-2\"\nprofile = \"storm\"\n",
    },
    FaultShape {
        name: "mtu",
        doc: "The link carries no longer packets than these; longer ones vanish without a word.",
        target: Target::Link,
        lasting: Lasting::Yes,
        takes: &["direction", "mtu"],
        needs: &["mtu"],
        strikes: false,
        example: "[[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"mtu\"\ntarget = \"lan/hub\"\nmtu = \"80 B\"\n",
    },
    FaultShape {
        name: "partition",
        doc: "The targets and the others do not reach each other, whatever lies between; one way only if so said.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["direction", "others"],
        needs: &[],
        strikes: false,
        example: "[[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"partition\"\ntarget = [\"thermostat-1\", \"thermostat-2\"]\nothers = \"hub\"\n",
    },
    FaultShape {
        name: "power-cut",
        doc: "The node loses its power: memory, and what its disk had not synced, are gone. It boots when power is back.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &[],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"20s\"\nfor = \"3s\"\nkind = \"power-cut\"\ntarget = \"hub\"\n",
    },
    FaultShape {
        name: "crash",
        doc: "The node's program dies: memory is gone, the disk is not. It boots when the time is over.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &[],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"20s\"\nfor = \"500ms\"\nkind = \"crash\"\ntarget = \"hub\"\n",
    },
    FaultShape {
        name: "restart",
        doc: "The node is reset from outside and boots again at once; with `every`, a boot loop.",
        target: Target::Node,
        lasting: Lasting::No,
        takes: &[],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"20s\"\nkind = \"restart\"\ntarget = \"thermostat-*\"\nevery = \"700ms\"\ntimes = 5\n",
    },
    FaultShape {
        name: "pause",
        doc: "The node's code does not run; its interfaces still take in frames, and its clock goes on.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &[],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"20s\"\nfor = \"2s\"\nkind = \"pause\"\ntarget = \"hub\"\n",
    },
    FaultShape {
        name: "slow-cpu",
        doc: "Every poll of the node's code takes so much longer.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["poll"],
        needs: &["poll"],
        strikes: false,
        example: "[[fault]]\nat = \"20s\"\nfor = \"5s\"\nkind = \"slow-cpu\"\ntarget = \"hub\"\npoll = \"2ms\"\n",
    },
    FaultShape {
        name: "clock-step",
        doc: "The node's wall clock steps, and steps back when the fault ends, if it does.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["by"],
        needs: &["by"],
        strikes: false,
        example: "[[fault]]\nat = \"20s\"\nkind = \"clock-step\"\ntarget = \"hub\"\nby = \"-1h\"\n",
    },
    FaultShape {
        name: "clock-drift",
        doc: "The node's wall clock runs too fast or too slow; what it gains, it keeps.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["drift_ppm"],
        needs: &["drift_ppm"],
        strikes: false,
        example: "[[fault]]\nat = \"20s\"\nfor = \"10s\"\nkind = \"clock-drift\"\ntarget = \"hub\"\ndrift_ppm = 500\n",
    },
    FaultShape {
        name: "clock-stop",
        doc: "The node's wall clock stands still, and goes on from there when the fault ends.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &[],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"20s\"\nfor = \"5s\"\nkind = \"clock-stop\"\ntarget = \"hub\"\n",
    },
    FaultShape {
        name: "disk-slow",
        doc: "The disk's operations take longer, syncs if nothing else is said: the node can do nothing else meanwhile.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["part", "operation", "factor", "extra"],
        needs: &[],
        strikes: false,
        example: "[[fault]]\nat = \"10s\"\nfor = \"10s\"\nkind = \"disk-slow\"\ntarget = \"hub\"\nfactor = 20\nextra = \"30ms\"\n",
    },
    FaultShape {
        name: "disk-error",
        doc: "The disk's operations fail with an I/O error and change nothing: all, the next `count`, or as the seed draws.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["part", "operation", "count", "probability"],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"disk-error\"\ntarget = \"hub\"\noperation = \"sync\"\nprobability = \"20 %\"\n",
    },
    FaultShape {
        name: "disk-full",
        doc: "The disk has no room beyond what its files take when it begins, but for `free`.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["part", "free"],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"1s\"\nfor = \"30s\"\nkind = \"disk-full\"\ntarget = \"hub\"\nfree = \"8 KiB\"\n",
    },
    FaultShape {
        name: "disk-cut",
        doc: "The node loses its power in the midst of the `nth` operation of its disk from `at` on.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["part", "operation", "nth", "off"],
        needs: &["nth"],
        strikes: false,
        example: "[[fault]]\nat = \"10s\"\nfor = \"10s\"\nkind = \"disk-cut\"\ntarget = \"hub\"\noperation = \"sync\"\nnth = 5\noff = \"2s\"\n",
    },
    FaultShape {
        name: "bit-rot",
        doc: "Bits of what is stored change, each drawn from all that is durable.",
        target: Target::Node,
        lasting: Lasting::No,
        takes: &["part", "bits"],
        needs: &[],
        strikes: false,
        example: "[[fault]]\nat = \"20s\"\nkind = \"bit-rot\"\ntarget = \"hub\"\nbits = 1\n",
    },
    FaultShape {
        name: "loop",
        doc: "Somebody plugs both ends of a cable into the switch: what it floods goes around and around.",
        target: Target::Network,
        lasting: Lasting::Yes,
        takes: &[],
        needs: &[],
        strikes: false,
        example: "[[fault]]\nat = \"0s\"\nfor = \"500ms\"\nkind = \"loop\"\ntarget = \"lan\"\n",
    },
    FaultShape {
        name: "arp-poison",
        doc: "Forged answers (ARP, or neighbour advertisements) tell the node that an address is where nobody is.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["address", "interval"],
        needs: &["address"],
        strikes: false,
        example: "[[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"arp-poison\"\ntarget = \"thermostat-1\"\naddress = \"10.0.0.2\"\n",
    },
    FaultShape {
        name: "ip-conflict",
        doc: "A stranger announces on the node's networks that the node's addresses are its own.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["interval"],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"ip-conflict\"\ntarget = \"hub\"\n",
    },
    FaultShape {
        name: "mac-duplicate",
        doc: "A stranger at another port of the switch sends with the node's Ethernet address, and gets what is for it.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["interval"],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"10s\"\nfor = \"5s\"\nkind = \"mac-duplicate\"\ntarget = \"hub\"\ninterval = \"50ms\"\n",
    },
    FaultShape {
        name: "nat-reboot",
        doc: "A router's NAT and firewall forget all connections; everything else stays.",
        target: Target::Node,
        lasting: Lasting::No,
        takes: &[],
        needs: &[],
        strikes: true,
        example: "[[fault]]\nat = \"20s\"\nkind = \"nat-reboot\"\ntarget = \"router\"\n",
    },
    FaultShape {
        name: "wrong-route",
        doc: "A router hands packets for a network to the wrong neighbour, or has no route for them if none is named.",
        target: Target::Node,
        lasting: Lasting::Yes,
        takes: &["to", "via"],
        needs: &["to"],
        strikes: false,
        example: "[[fault]]\nat = \"20s\"\nfor = \"5s\"\nkind = \"wrong-route\"\ntarget = \"router\"\nto = \"10.0.0.0/24\"\nvia = \"192.0.2.2\"\n",
    },
];
