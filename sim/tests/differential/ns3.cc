// ns-3's error models and queue disciplines on traffic that it is told: what becomes of each packet, a line each.
//
//   ns3 rate SEED PROBABILITY COUNT           RateErrorModel, by packets: 1 for a packet that is lost, else 0
//   ns3 burst SEED START GOES_ON COUNT        BurstErrorModel; bursts of 1 packet and more, each next one with GOES_ON
//   ns3 list COUNT ORDINAL...                 ReceiveListErrorModel
//   ns3 codel|red SEED RATE_BPS ECN KEY=VALUE...  the queue in front of a line, with the attributes named; offers on
//                                             standard input, "nanosecond bytes" a line. Tells of each packet that got
//                                             through its number, when its last bit left, and whether it bears a mark

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "ns3/codel-queue-disc.h"
#include "ns3/core-module.h"
#include "ns3/error-model.h"
#include "ns3/packet.h"
#include "ns3/queue-disc.h"
#include "ns3/red-queue-disc.h"

using namespace ns3;

namespace {

// 1, and each next one with the same probability.
class Geometric : public UniformRandomVariable {
 public:
  explicit Geometric(double goes_on) : goes_on_(goes_on) {}

  uint32_t GetInteger() override {
    uint32_t length = 1;
    while (UniformRandomVariable::GetValue() < goes_on_) ++length;
    return length;
  }

 private:
  double goes_on_;
};

void Corrupt(Ptr<ErrorModel> model, uint64_t count) {
  std::string fates;
  for (uint64_t packet = 0; packet < count; ++packet) fates += model->IsCorrupt(Create<Packet>(100)) ? '1' : '0';
  std::cout << fates << std::endl;
}

class Item : public QueueDiscItem {
 public:
  Item(uint64_t number, uint32_t bytes) : QueueDiscItem(Create<Packet>(bytes), Address(), 0), number_(number) {}

  void AddHeader() override {}
  bool Mark() override { return marked_ = true; }

  uint64_t number_;
  bool marked_ = false;
};

// A line of so many bits a second behind a queue.
class Line {
 public:
  Line(Ptr<QueueDisc> queue, uint64_t rate_bps) : queue_(queue), rate_bps_(rate_bps) {}

  void Offer(uint64_t number, uint32_t bytes) {
    queue_->Enqueue(Create<Item>(number, bytes));
    if (!busy_) Serve();
  }

 private:
  void Serve() {
    Ptr<QueueDiscItem> next = queue_->Dequeue();
    busy_ = next != nullptr;
    if (!busy_) return;
    const Item& item = *DynamicCast<Item>(next);
    const Time takes = NanoSeconds(item.GetSize() * 8'000'000'000ULL / rate_bps_);
    std::cout << item.number_ << ' ' << (Simulator::Now() + takes).GetNanoSeconds() << ' ' << item.marked_ << '\n';
    Simulator::Schedule(takes, &Line::Serve, this);
  }

  Ptr<QueueDisc> queue_;
  uint64_t rate_bps_;
  bool busy_ = false;
};

int Discipline(Ptr<QueueDisc> queue, int argc, char** argv) {
  queue->SetAttribute("UseEcn", BooleanValue(std::string(argv[4]) == "1"));
  for (int at = 5; at < argc; ++at) {
    const std::string word = argv[at];
    const auto equals = word.find('=');
    queue->SetAttribute(word.substr(0, equals), StringValue(word.substr(equals + 1)));
  }
  queue->Initialize();
  Line line(queue, std::strtoull(argv[3], nullptr, 10));
  uint64_t number = 0, at_ns = 0;
  uint32_t bytes = 0;
  while (std::cin >> at_ns >> bytes) Simulator::Schedule(NanoSeconds(at_ns), &Line::Offer, &line, number++, bytes);
  Simulator::Run();
  Simulator::Destroy();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string work = argc > 2 ? argv[1] : "";
  if (work == "list") {
    std::list<uint32_t> ordinals;
    for (int at = 3; at < argc; ++at) ordinals.push_back(static_cast<uint32_t>(std::strtoul(argv[at], nullptr, 10)));
    Ptr<ReceiveListErrorModel> model = CreateObject<ReceiveListErrorModel>();
    model->SetList(ordinals);
    Corrupt(model, std::strtoull(argv[2], nullptr, 10));
    return 0;
  }
  if (argc > 2) RngSeedManager::SetSeed(static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)));
  if (work == "rate" && argc == 5) {
    Ptr<RateErrorModel> model = CreateObject<RateErrorModel>();
    model->SetUnit(RateErrorModel::ERROR_UNIT_PACKET);
    model->SetRate(std::strtod(argv[3], nullptr));
    Corrupt(model, std::strtoull(argv[4], nullptr, 10));
    return 0;
  }
  if (work == "burst" && argc == 6) {
    Ptr<BurstErrorModel> model = CreateObject<BurstErrorModel>();
    model->SetBurstRate(std::strtod(argv[3], nullptr));
    model->SetRandomBurstSize(CreateObject<Geometric>(std::strtod(argv[4], nullptr)));
    Corrupt(model, std::strtoull(argv[5], nullptr, 10));
    return 0;
  }
  if (work == "codel" && argc >= 5) return Discipline(CreateObject<CoDelQueueDisc>(), argc, argv);
  if (work == "red" && argc >= 5) return Discipline(CreateObject<RedQueueDisc>(), argc, argv);
  std::cerr << "ns3: wrong arguments; see ns3.cc\n";
  return 2;
}
