#include <algorithm>
#include <array>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/utf8.h"
#include "runtime/wire/http.h"

namespace muster::http {

namespace {

constexpr std::size_t kMaxCaptures = 8;

struct Route {
  std::string method;
  std::vector<std::string> capture_names;
  Handler handler;
  bool blocking = false;
  bool upload = false;  // blocking, too
};

/// One part of the paths. The table is a tree, so a search visits each node at most once however the
/// patterns overlap.
struct Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> capture;
  std::vector<Route> here;  ///< patterns that end at this part
  std::vector<Route> rest;  ///< patterns that go on with {name...}
};

struct Search {
  std::string_view method;
  const Route* found = nullptr;
  std::array<std::string_view, kMaxCaptures> captured;
  std::size_t captured_count = 0;
  std::vector<std::string_view> other_methods;

  bool Take(const std::vector<Route>& routes) {
    const auto named = [&](std::string_view name) {
      return std::find_if(routes.begin(), routes.end(),
                          [&](const Route& route) { return route.method == name; });
    };
    auto route = named(method);
    if (route == routes.end() && method == "HEAD") route = named("GET");
    if (route != routes.end()) {
      found = &*route;
      return true;
    }
    for (const Route& other : routes) other_methods.push_back(other.method);
    return false;
  }

  /// `path` is what follows the slash after the part that `node` stands for.
  bool Walk(const Node& node, std::string_view path) {
    const std::size_t slash = path.find('/');
    const bool last = slash == std::string_view::npos;
    const std::string_view part = path.substr(0, slash);
    const auto descend = [&](const Node& child) {
      return last ? Take(child.here) : Walk(child, path.substr(slash + 1));
    };
    const std::size_t captured_before = captured_count;
    if (const Node* child = Literal(node, part); child != nullptr && descend(*child)) return true;
    captured_count = captured_before;
    if (node.capture != nullptr && !part.empty()) {
      captured[captured_count++] = part;
      if (descend(*node.capture)) return true;
      captured_count = captured_before;
    }
    if (node.rest.empty()) return false;
    captured[captured_count++] = path;
    return Take(node.rest);
  }

  static const Node* Literal(const Node& node, std::string_view part) {
    auto child = node.literals.find(part);
    if (child == node.literals.end() && part.find('%') != std::string_view::npos) {
      child = node.literals.find(PercentDecode(part));
    }
    return child == node.literals.end() ? nullptr : child->second.get();
  }
};

Response MethodNotAllowed(const Request& request, const Search& search) {
  std::string allow;
  const auto add = [&](std::string_view method) {
    if (allow.find(method) == std::string::npos) (allow += allow.empty() ? "" : ", ") += method;
  };
  for (const std::string_view method : search.other_methods) {
    add(method);
    if (method == "GET") add("HEAD");
  }
  Response response = ErrorResponse(
      Invalid(request.path + " does not take " + request.method + "; it takes " + allow));
  response.status = 405;
  response.headers["Allow"] = allow;
  return response;
}

}  // namespace

Response NoSuchPath(const Request& request) {
  return ErrorResponse(NotFound("nothing answers " + request.method + " " + request.path));
}

struct Router::Impl {
  Node root;
  Handler fallback;
  ErrorForm error_form;

  void Add(std::string_view method, std::string_view pattern, Handler handler,
           bool blocking = false, bool upload = false) {
    MUSTER_CHECK(pattern.starts_with('/'), "a pattern begins with a slash");
    Route route{std::string(method), {}, std::move(handler), blocking, upload};
    Node* node = &root;
    bool ends_in_rest = false;
    for (bool last = false; !last && !ends_in_rest;) {
      pattern.remove_prefix(1);
      const std::size_t slash = pattern.find('/');
      last = slash == std::string_view::npos;
      const std::string_view part = pattern.substr(0, slash);
      pattern.remove_prefix(last ? pattern.size() : slash);
      if (!part.starts_with('{')) {
        MUSTER_CHECK(part.find_first_of("{}") == std::string_view::npos,
                     "a capture is a whole part");
        auto& child = node->literals[std::string(part)];
        if (child == nullptr) child = std::make_unique<Node>();
        node = child.get();
        continue;
      }
      MUSTER_CHECK(part.ends_with('}'), "a capture is a whole part");
      std::string_view name = part.substr(1, part.size() - 2);
      if (name.ends_with("...")) {
        MUSTER_CHECK(last, "{rest...} ends a pattern");
        name.remove_suffix(3);
        ends_in_rest = true;
      } else {
        if (node->capture == nullptr) node->capture = std::make_unique<Node>();
        node = node->capture.get();
      }
      route.capture_names.emplace_back(name);
    }
    MUSTER_CHECK(route.capture_names.size() <= kMaxCaptures, "too many captures in a pattern");
    auto& routes = ends_in_rest ? node->rest : node->here;
    for (const Route& other : routes) {
      MUSTER_CHECK(other.method != route.method, "the same method and pattern added twice");
    }
    routes.push_back(std::move(route));
  }

  [[nodiscard]] Search Find(std::string_view method, std::string_view raw_path) const {
    Search search{.method = method};
    while (raw_path.starts_with("//")) raw_path.remove_prefix(1);
    if (raw_path.starts_with('/')) search.Walk(root, raw_path.substr(1));
    return search;
  }
};

Router::Router() : impl_(std::make_unique<Impl>()) {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

void Router::Add(std::string_view method, std::string_view pattern, Handler handler) {
  impl_->Add(method, pattern, std::move(handler));
}

void Router::AddBlocking(std::string_view method, std::string_view pattern, Handler handler) {
  impl_->Add(method, pattern, std::move(handler), true);
}

void Router::AddUpload(std::string_view method, std::string_view pattern, Handler handler) {
  impl_->Add(method, pattern, std::move(handler), true, true);
}

void Router::SetFallback(Handler handler) { impl_->fallback = std::move(handler); }

void Router::SetErrorForm(ErrorForm form) { impl_->error_form = std::move(form); }

Response Router::InForm(Response refusal, std::string_view raw_path) const {
  if (!impl_->error_form) return refusal;
  Response formed = impl_->error_form(ErrorFromResponse(refusal), raw_path);
  formed.status = refusal.status;
  refusal.headers.erase("Content-Type");
  formed.headers.merge(refusal.headers);
  return formed;
}

void Router::Dispatch(Request request, Respond respond, const Defer& defer) const {
  const Search search = impl_->Find(request.method, request.raw_path);
  if (search.found != nullptr) {
    const auto& names = search.found->capture_names;
    for (std::size_t i = 0; i < names.size(); ++i) {
      request.captures.insert_or_assign(names[i], ToUtf8(PercentDecode(search.captured[i])));
    }
    const Handler& handler = search.found->handler;
    if (!search.found->blocking || !defer) return handler(request, std::move(respond));
    defer([&handler, request = std::move(request), respond = std::move(respond)] {
      handler(request, respond);
    });
  } else if (!search.other_methods.empty()) {
    respond(InForm(MethodNotAllowed(request, search), request.raw_path));
  } else if (impl_->fallback) {
    impl_->fallback(request, std::move(respond));
  } else {
    respond(InForm(NoSuchPath(request), request.raw_path));
  }
}

bool Router::WantsFile(std::string_view method, std::string_view raw_path) const {
  const Search search = impl_->Find(method, raw_path);
  return search.found != nullptr && search.found->upload;
}

}  // namespace muster::http
