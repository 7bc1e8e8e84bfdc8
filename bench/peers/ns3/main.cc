// The works on ns-3: hosts with its own Internet stack, point-to-point links, checksums on. Its applications are
// callbacks, not programs. Prints one line of JSON, as the other peers do.

#include <ctime>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <string>

#include "ns3/applications-module.h"
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"

using namespace ns3;

namespace {

constexpr uint64_t kSegmentBytes = 1460;

uint64_t g_items = 0;

uint64_t ReadClock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// Runs for `prepared`, then measures what is done in `measured`; `unit` is how many counted things are an item.
void Measure(Time prepared, Time measured, uint64_t unit) {
  Simulator::Stop(prepared);
  Simulator::Run();
  const uint64_t items = g_items;
  const uint64_t cpu = ReadClock(CLOCK_PROCESS_CPUTIME_ID);
  const uint64_t wall = ReadClock(CLOCK_MONOTONIC);
  Simulator::Stop(measured);
  Simulator::Run();
  std::cout << "{\"items\":" << (g_items - items) / unit << ",\"virtual_ns\":" << measured.GetNanoSeconds()
            << ",\"cpu_ns\":" << ReadClock(CLOCK_PROCESS_CPUTIME_ID) - cpu
            << ",\"wall_ns\":" << ReadClock(CLOCK_MONOTONIC) - wall << "}" << std::endl;
  Simulator::Destroy();
}

// `pairs` of hosts, each joined by 100 Mbit/s and 5 ms; calls `wire` with the two ends and the second one's address.
void Pairs(uint32_t pairs, const std::function<void(Ptr<Node>, Ptr<Node>, Ipv4Address)>& wire) {
  PointToPointHelper link;
  link.SetDeviceAttribute("DataRate", StringValue("100Mbps"));
  link.SetChannelAttribute("Delay", StringValue("5ms"));
  // Room for 262,144 bytes, as the other tanks' queues have, in the device alone.
  link.SetQueue("ns3::DropTailQueue<Packet>", "MaxSize", StringValue("262144B"));
  InternetStackHelper internet;
  Ipv4AddressHelper addresses("10.0.0.0", "255.255.255.252");
  for (uint32_t pair = 0; pair < pairs; ++pair) {
    NodeContainer nodes(2);
    NetDeviceContainer devices = link.Install(nodes);
    internet.Install(nodes);
    Ipv4InterfaceContainer interfaces = addresses.Assign(devices);
    addresses.NewNetwork();
    wire(nodes.Get(0), nodes.Get(1), interfaces.GetAddress(1));
  }
}

void CountPackets(Ptr<const Packet>, const Address&) { ++g_items; }

void CountBytes(Ptr<const Packet> packet, const Address&) { g_items += packet->GetSize(); }

// Sends 1,000 bytes for ever, at 90 Mbit/s of payload.
class Sender : public Application {
 public:
  explicit Sender(Address to) : to_(to) {}

 private:
  void StartApplication() override {
    socket_ = Socket::CreateSocket(GetNode(), UdpSocketFactory::GetTypeId());
    socket_->Bind();
    socket_->Connect(to_);
    Send();
  }

  void Send() {
    socket_->Send(Create<Packet>(1000));
    Simulator::Schedule(NanoSeconds(88'889), &Sender::Send, this);
  }

  Address to_;
  Ptr<Socket> socket_;
};

void UdpLine(uint32_t pairs, uint64_t millis) {
  Pairs(pairs, [](Ptr<Node> source, Ptr<Node> sink, Ipv4Address address) {
    const InetSocketAddress to(address, 9);
    PacketSinkHelper sinks("ns3::UdpSocketFactory", InetSocketAddress(Ipv4Address::GetAny(), 9));
    sinks.Install(sink).Get(0)->TraceConnectWithoutContext("Rx", MakeCallback(&CountPackets));
    source->AddApplication(CreateObject<Sender>(to));
  });
  Measure(MilliSeconds(500), MilliSeconds(millis), 1);
}

void TcpBulk(uint32_t flows, uint64_t millis) {
  Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(kSegmentBytes));
  Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(262'144));
  Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(262'144));
  Config::SetDefault("ns3::TcpL4Protocol::SocketType", TypeIdValue(TcpNewReno::GetTypeId()));
  // Our segments bear no timestamps.
  Config::SetDefault("ns3::TcpSocketBase::Timestamp", BooleanValue(false));
  Pairs(flows, [](Ptr<Node> source, Ptr<Node> sink, Ipv4Address address) {
    PacketSinkHelper sinks("ns3::TcpSocketFactory", InetSocketAddress(Ipv4Address::GetAny(), 80));
    sinks.Install(sink).Get(0)->TraceConnectWithoutContext("Rx", MakeCallback(&CountBytes));
    BulkSendHelper bulk("ns3::TcpSocketFactory", InetSocketAddress(address, 80));
    bulk.SetAttribute("SendSize", UintegerValue(16'384));
    bulk.Install(source);
  });
  Measure(MilliSeconds(500), MilliSeconds(millis), kSegmentBytes);
}

// Keeps `pending` events in the scheduler; each schedules itself anew, `g_least` plus evenly up to `g_spread` later.
uint64_t g_word = 42;
uint64_t g_least = 0;
uint64_t g_spread = 0;

int64_t Ahead() {
  g_word = g_word * 6364136223846793005ULL + 1442695040888963407ULL;
  return static_cast<int64_t>(g_least + (((g_word >> 32) * g_spread) >> 32));
}

void Pop() {
  ++g_items;
  Simulator::Schedule(NanoSeconds(Ahead()), &Pop);
}

void Hold(uint64_t pending, uint64_t least, uint64_t spread, Time measured) {
  g_least = least;
  g_spread = spread;
  for (uint64_t event = 0; event < pending; ++event) {
    Simulator::Schedule(NanoSeconds(Ahead()), &Pop);
  }
  Measure(NanoSeconds(0), measured, 1);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string work = argc > 1 ? argv[1] : "";
  const uint64_t scale = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1000;
  GlobalValue::Bind("ChecksumEnabled", BooleanValue(true));
  if (work == "udp-line-1") {
    UdpLine(1, 10 * scale);
  } else if (work == "udp-line-100") {
    UdpLine(100, scale / 5);
  } else if (work == "tcp-bulk-1") {
    TcpBulk(1, 5 * scale);
  } else if (work == "tcp-bulk-50") {
    TcpBulk(50, scale / 5);
  } else if (work == "queue-1k") {
    Hold(1'000, 100, 1'000, NanoSeconds(1'800 * scale));
  } else if (work == "queue-100k") {
    Hold(100'000, 100, 1'000, NanoSeconds(18 * scale));
  } else if (work == "queue-100k-far") {
    Hold(100'000, 10'000'000, 1'000'000'000, MilliSeconds(15 * scale));
  } else {
    std::cerr << "ns-3 has no work " << work << std::endl;
    return 2;
  }
}
