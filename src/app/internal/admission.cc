#include "app/internal/admission.h"

namespace selvedge::app::internal {

// A place in the queue. Lives in the frame of enter(), so a task that is destroyed while it waits
// gives it up, and passes on a permit that it was handed meanwhile.
class Admission::Place {
 public:
  explicit Place(Admission& owner) noexcept : owner_(owner), granted(owner.reactor_) {
    previous_ = owner_.last_;
    (previous_ != nullptr ? previous_->next_ : owner_.first_) = this;
    owner_.last_ = this;
    ++owner_.waiting_;
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    if (queued_) {
      unlink();
    } else if (!taken) {
      owner_.leave();
    }
  }
  void unlink() noexcept {
    (previous_ != nullptr ? previous_->next_ : owner_.first_) = next_;
    (next_ != nullptr ? next_->previous_ : owner_.last_) = previous_;
    queued_ = false;
    --owner_.waiting_;
  }

 private:
  Admission& owner_;
  Place* previous_ = nullptr;
  Place* next_ = nullptr;
  bool queued_ = true;

 public:
  bool taken = false;  // the permit has become a Permit
  io::Event granted;
};

io::Task<Admission::Permit> Admission::enter(io::Deadline deadline) {
  if (active_ < permits_max_ && waiting_ == 0) {
    ++active_;
    return io::Task<Permit>::ready(Permit(*this));
  }
  return wait_in_queue(deadline);
}

io::Task<Admission::Permit> Admission::wait_in_queue(io::Deadline deadline) {
  if (waiting_ >= queue_max_) {
    co_return fail(ErrorKind::kOverloaded, "too many requests wait");
  }
  Place place(*this);
  SELVEDGE_CO_TRY_VOID(co_await place.granted.wait(deadline));
  place.taken = true;
  co_return Permit(*this);
}

// The permit goes to the first in the queue, if there is one.
void Admission::leave() noexcept {
  if (first_ == nullptr) {
    --active_;
    return;
  }
  Place& next = *first_;
  next.unlink();
  next.granted.set();
}

}  // namespace selvedge::app::internal
