#include "app/internal/package_choice.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/format.h"
#include "wire/semver.h"

namespace selvedge::app::internal {
namespace {

// Each round narrows what the last one chose; real packages need as many as they are deep.
constexpr int kRoundsMax = 64;

std::string own_name(const PackageImage& own) {
  return own.name.empty() ? std::string("the package") : own.name;
}

}  // namespace

Result<const PackageImage*> PackageChoice::image_of(const std::string& name,
                                                    const std::string& version) {
  auto found = images_.find({name, version});
  if (found == images_.end()) {
    SELVEDGE_TRY(auto image, source_.image(name, version));
    found = images_.emplace(std::pair(name, version), std::move(image)).first;
  }
  return &found->second;
}

Result<> PackageChoice::collect(const Selection& selection) {
  order_.clear();
  wishes_.clear();
  std::deque<std::pair<const PackageImage*, std::string>> todo{{&own_, own_name(own_)}};
  while (!todo.empty()) {
    const auto [image, by] = std::move(todo.front());
    todo.pop_front();
    for (const ImageDependency& dependency : image->dependencies) {
      if (!wire::is_semver_range(dependency.range)) {
        return fail_format(ErrorKind::kInvalid,
                           "{} asks for {} \"{}\", which is not a range of versions: write for "
                           "example \"^1.2\"",
                           by, dependency.name, dependency.range);
      }
      auto& wishes = wishes_[dependency.name];
      wishes.push_back({.range = dependency.range, .by = by});
      if (wishes.size() > 1) {
        continue;
      }
      order_.push_back(dependency.name);
      if (order_.size() >= kImageOriginsMax) {
        return fail_format(ErrorKind::kInvalid, "{} needs more than {} packages", own_name(own_),
                           kImageOriginsMax - 1);
      }
      const auto selected = selection.find(dependency.name);
      if (selected == selection.end()) {
        continue;
      }
      SELVEDGE_TRY(const PackageImage* const next, image_of(dependency.name, selected->second));
      todo.emplace_back(next, fmt::format("{} {}", dependency.name, selected->second));
    }
  }
  return {};
}

Result<std::string> PackageChoice::best_version(const std::string& name,
                                                const std::vector<Wish>& wishes) {
  auto known = versions_.find(name);
  if (known == versions_.end()) {
    SELVEDGE_TRY(auto versions, source_.versions(name));
    known = versions_.emplace(name, std::move(versions)).first;
  }
  const std::vector<std::string>& versions = known->second;
  if (versions.empty()) {
    return fail_format(ErrorKind::kNotFound,
                       "{} depends on {}, which is not in the store: publish it first (selvedge "
                       "package publish)",
                       wishes.front().by, name);
  }
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (std::ranges::all_of(
            wishes, [&](const Wish& wish) { return wire::semver_matches(wish.range, *version); })) {
      return *version;
    }
  }
  std::string asked;
  for (const Wish& wish : wishes) {
    asked += fmt::format("{}{} asks for {}", asked.empty() ? "" : ", ", wish.by, wish.range);
  }
  return fail_format(ErrorKind::kInvalid, "no version of {} fits: {}; the store has {}", name,
                     asked, fmt::join(versions, ", "));
}

Result<> PackageChoice::check_cycles(const Selection& selection) {
  // The way from the package to where the search is, by depth-first search.
  struct Step {
    std::string name;
    const PackageImage* image;
    std::size_t next = 0;
  };
  std::vector<Step> way{{.name = own_.name, .image = &own_}};
  std::map<std::string, bool> done;
  while (!way.empty()) {
    Step& step = way.back();
    if (step.next == step.image->dependencies.size()) {
      done[step.name] = true;
      way.pop_back();
      continue;
    }
    const std::string& name = step.image->dependencies[step.next++].name;
    if (std::ranges::find(way, name, &Step::name) != way.end()) {
      std::string text;
      for (auto from = std::ranges::find(way, name, &Step::name); from != way.end(); ++from) {
        text += from->name + " → ";
      }
      return fail_format(ErrorKind::kInvalid, "packages must not need themselves: {}{}", text,
                         name);
    }
    if (!done.contains(name)) {
      SELVEDGE_TRY(const PackageImage* const image, image_of(name, selection.at(name)));
      way.push_back({.name = name, .image = image});
    }
  }
  return {};
}

Result<std::vector<ChosenPackage>> PackageChoice::choose() {
  Selection selection;
  for (int round = 0;; ++round) {
    if (round == kRoundsMax) {
      return fail_format(ErrorKind::kInvalid,
                         "the ranges of what {} depends on contradict each other: name exact "
                         "versions",
                         own_name(own_));
    }
    SELVEDGE_TRY_VOID(collect(selection));
    Selection next;
    for (const auto& [name, wishes] : wishes_) {
      if (name == own_.name) {
        return fail_format(ErrorKind::kInvalid, "packages must not need themselves: {} → {}",
                           wishes.front().by, name);
      }
      SELVEDGE_TRY(next[name], best_version(name, wishes));
    }
    if (next == selection) {
      break;
    }
    selection = std::move(next);
  }
  SELVEDGE_TRY_VOID(check_cycles(selection));
  std::vector<ChosenPackage> chosen;
  for (const std::string& name : order_) {
    const std::string& version = selection.at(name);
    SELVEDGE_TRY(const PackageImage* const image, image_of(name, version));
    chosen.push_back({.name = name, .version = version, .image = *image});
  }
  return chosen;
}

}  // namespace selvedge::app::internal
