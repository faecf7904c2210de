// SPDX-License-Identifier: Apache-2.0
#include "objects/http_client.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "objects/http_range.hpp"
#include "objects/retry.hpp"
#include "objects/s3_answers.hpp"

namespace flatkv::objects {
namespace {

constexpr std::size_t kMaxErrorBytes = 64U << 10;
constexpr long kConnectSeconds = 10;
/// Slower than this for `stall_seconds` is a stall.
constexpr long kLeastBytesPerSecond = 1024;
/// A transfer as a whole may take so long, and this much more for its bytes at 32 KiB/s: however
/// the bytes trickle, it ends.
constexpr long kTransferSeconds = 120;
constexpr std::uint64_t kSlowBytesPerSecond = 32U << 10;
/// So much more of a content gives its transfer all tries anew.
constexpr std::uint64_t kProgressBytes = 1U << 20;

/// libcurl wants this once, before any thread uses it.
void initialise_curl() {
  static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(done);
}

bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return true;
    default:
      return false;
  }
}

bool may_pass(long status, const S3Error& said) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
         status == 504 || said.code == "RequestTimeout";
}

ErrorCode code_of(long status, std::string_view remedy) {
  if (!remedy.empty()) return ErrorCode::permission;
  if (status == 404 || status == 410) return ErrorCode::not_found;
  if (status == 401 || status == 403) return ErrorCode::permission;
  if (status == 507) return ErrorCode::no_space;
  return ErrorCode::io;
}

using HeaderList = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

void add(HeaderList& list, const std::string& line) {
  curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  static_cast<void>(list.release());
  list.reset(longer);
}

}  // namespace

std::string percent_encoded(std::string_view text, bool slashes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (slashes && c == '/');
    if (plain) {
      encoded += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      encoded += '%';
      encoded += kDigits[byte >> 4];
      encoded += kDigits[byte & 0xf];
    }
  }
  return encoded;
}

/// How one try ended.
struct HttpClient::Try {
  std::optional<Error> error;
  bool may_pass = false;
};

/// A request on its way, over all its tries.
struct HttpClient::Transfer {
  Transfer(const Request& wanted, const std::stop_token& stopped,
           std::atomic<std::uint64_t>& counter)
      : request(wanted), stop(stopped), received(counter) {}

  const Request& request;
  const std::stop_token& stop;
  std::atomic<std::uint64_t>& received;
  Answer answer;

  // Of the try under way.
  CURL* curl = nullptr;
  HeaderList headers{nullptr, curl_slist_free_all};
  std::size_t sent = 0;
  std::optional<std::uint64_t> length;
  std::optional<std::string> range;
  bool begun = false;  ///< the first bytes of the content came
  std::string said;    ///< what a refusal says
  std::string wrong;   ///< what is wrong with the answer
  bool out_of_memory = false;

  void begin_try(CURL* with) {
    curl = with;
    headers.reset();
    sent = 0;
    length.reset();
    range.reset();
    begun = false;
    said.clear();
    wrong.clear();
    if (!request.bytes) answer.content.clear();
  }

  long status() const {
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  void take_header(std::string_view line) {
    if (line.starts_with("HTTP/")) {  // of the answer that counts, after 100 or a redirection
      length.reset();
      range.reset();
      return;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    std::string name(line.substr(0, colon));
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    line.remove_prefix(colon + 1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    line = line.substr(0, line.find_last_not_of(" \t\r\n") + 1);
    if (name == "content-length") length = parse_length(line);
    if (name == "content-range") range = std::string(line);
  }

  /// Decides by the headers whether the content is what was asked for; false with `wrong` set.
  bool begin_content() {
    begun = true;
    if (!request.bytes) return true;
    const std::uint64_t whole = *request.bytes;
    if (status() != 206) {
      answer.content.clear();  // from the start, whatever was asked for
      if (length && *length != whole) {
        wrong = "it has " + std::to_string(*length) + " bytes, not " + std::to_string(whole);
      }
      return wrong.empty();
    }
    const auto part = parse_content_range(range.value_or(""));
    if (!part || part->first != answer.content.size() || part->last >= whole ||
        part->total.value_or(whole) != whole) {
      wrong = "the server answered with the range \"" + range.value_or("").substr(0, 100) +
              "\", asked for " + std::to_string(answer.content.size()) + "-" +
              std::to_string(whole - 1) + "/" + std::to_string(whole);
    }
    return wrong.empty();
  }

  bool take_content(ByteView bytes) {
    if (status() >= 300) {
      said.append(as_chars(bytes).substr(0, kMaxErrorBytes - said.size()));
      return true;
    }
    if (request.method != Method::get) return true;
    if (!begun && !begin_content()) return false;
    received += bytes.size();
    const std::uint64_t most = request.bytes.value_or(request.limit);
    if (bytes.size() > most - answer.content.size()) {
      wrong = "it is longer than " + std::to_string(most) + " bytes";
      return false;
    }
    answer.content.insert(answer.content.end(), bytes.begin(), bytes.end());
    return true;
  }

  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self) {
    return static_cast<Transfer*>(self)->guarded(size * count, [&](Transfer& own) {
      own.take_header({data, size * count});
      return true;
    });
  }
  static std::size_t on_content(char* data, std::size_t size, std::size_t count, void* self) {
    return static_cast<Transfer*>(self)->guarded(size * count, [&](Transfer& own) {
      return own.take_content(as_bytes(std::string_view(data, size * count)));
    });
  }
  static std::size_t on_body(char* into, std::size_t size, std::size_t count, void* self) {
    auto& own = *static_cast<Transfer*>(self);
    const ByteView rest = own.request.body.subspan(own.sent);
    const std::size_t taken = std::min(rest.size(), size * count);
    if (taken != 0) std::memcpy(into, rest.data(), taken);
    own.sent += taken;
    return taken;
  }
  static int on_seek(void* self, curl_off_t offset, int origin) {
    auto& own = *static_cast<Transfer*>(self);
    if (origin != SEEK_SET || offset < 0 ||
        static_cast<std::uint64_t>(offset) > own.request.body.size()) {
      return CURL_SEEKFUNC_FAIL;
    }
    own.sent = static_cast<std::size_t>(offset);
    return CURL_SEEKFUNC_OK;
  }
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Transfer*>(self)->stop.stop_requested() ? 1 : 0;
  }

 private:
  /// No exception may go through libcurl.
  template <class Step>
  std::size_t guarded(std::size_t bytes, Step step) noexcept {
    try {
      return step(*this) ? bytes : 0;
    } catch (...) {
      out_of_memory = true;
      return 0;
    }
  }
};

/// A handle of its own for one try; it goes back with its connection.
class HttpClient::Handle {
 public:
  explicit Handle(HttpClient& client) : client_(client) {
    const std::lock_guard lock(client_.mutex_);
    if (!client_.idle_.empty()) {
      curl_ = client_.idle_.back();
      client_.idle_.pop_back();
    } else {
      client_.idle_.reserve(client_.idle_.capacity() + 1);  // so that giving back cannot fail
      curl_ = curl_easy_init();
      if (curl_ == nullptr) throw std::bad_alloc();
    }
  }
  ~Handle() {
    curl_easy_reset(curl_);
    const std::lock_guard lock(client_.mutex_);
    client_.idle_.push_back(curl_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  CURL* get() const { return curl_; }

 private:
  HttpClient& client_;
  CURL* curl_;
};

HttpClient::HttpClient(const ObjectsOptions& options, std::optional<S3Account> account)
    : options_(options), account_(std::move(account)) {
  initialise_curl();
  if (account_) signature_ = "aws:amz:" + account_->region + ":s3";
}

HttpClient::~HttpClient() {
  for (CURL* curl : idle_) curl_easy_cleanup(curl);
}

void HttpClient::set_up(CURL* curl, Transfer& transfer) const {
  const Request& request = transfer.request;
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "flatkv");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kLeastBytesPerSecond);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options_.stall_seconds));
  const std::uint64_t bytes =
      std::max<std::uint64_t>(request.body.size(), request.bytes.value_or(request.limit));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT,
                   kTransferSeconds + static_cast<long>(bytes / kSlowBytesPerSecond));
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Transfer::on_content);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  switch (request.method) {
    case Method::get:
      if (!transfer.answer.content.empty()) {
        const std::string range = std::to_string(transfer.answer.content.size()) + "-" +
                                  std::to_string(*request.bytes - 1);
        curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());
      }
      break;
    case Method::head:
      curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
      break;
    case Method::remove:
      curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
      break;
    case Method::put:
      curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(curl, CURLOPT_READFUNCTION, &Transfer::on_body);
      curl_easy_setopt(curl, CURLOPT_READDATA, &transfer);
      curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, &Transfer::on_seek);
      curl_easy_setopt(curl, CURLOPT_SEEKDATA, &transfer);
      curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      break;
  }
  if (!account_) {
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    return;
  }
  curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, signature_.c_str());
  curl_easy_setopt(curl, CURLOPT_USERNAME, account_->key_id.c_str());
  curl_easy_setopt(curl, CURLOPT_PASSWORD, account_->secret.c_str());
  // libcurl signs this header and does not send one by itself. The content has a digest of ours.
  add(transfer.headers, "x-amz-content-sha256: UNSIGNED-PAYLOAD");
  if (!account_->session_token.empty()) {
    add(transfer.headers, "x-amz-security-token: " + account_->session_token);
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer.headers.get());
}

HttpClient::Try HttpClient::try_once(Transfer& transfer) {
  const Handle handle(*this);
  CURL* const curl = handle.get();
  transfer.begin_try(curl);
  std::array<char, CURL_ERROR_SIZE> text{};
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text.data());
  set_up(curl, transfer);
  const CURLcode code = curl_easy_perform(curl);
  const long status = transfer.status();
  const Request& request = transfer.request;
  const auto failed = [&](ErrorCode kind, std::string message, bool may_pass) {
    return Try{fail(kind, std::move(message)).path(request.url).error(), may_pass};
  };
  if (transfer.stop.stop_requested()) return failed(ErrorCode::cancelled, "cancelled", false);
  if (transfer.out_of_memory) return failed(ErrorCode::out_of_memory, "out of memory", false);
  if (!transfer.wrong.empty()) {
    // What of the content came before may be wrong, too.
    transfer.answer.content.clear();
    return failed(ErrorCode::corruption, transfer.wrong, true);
  }
  if (status >= 300) {
    const S3Error said = parse_s3_error(transfer.said);
    std::string message = "the server answered " + std::to_string(status);
    if (!said.code.empty()) message += " " + said.code;
    if (!said.message.empty()) message += " (" + said.message + ")";
    const std::string_view remedy = remedy_of_refusal(said.code);
    if (!remedy.empty()) message += "; " + std::string(remedy);
    return failed(code_of(status, remedy), message, may_pass(status, said));
  }
  if (code != CURLE_OK) {
    const std::string why = text[0] != '\0' ? text.data() : curl_easy_strerror(code);
    return failed(ErrorCode::io, why, may_pass(code));
  }
  transfer.answer.length = transfer.length;
  const std::uint64_t got = transfer.answer.content.size();
  if (request.method == Method::get && request.bytes && got != *request.bytes) {
    return failed(ErrorCode::corruption,
                  "the server sent " + std::to_string(got) + " of " +
                      std::to_string(*request.bytes) + " bytes",
                  true);
  }
  return {};
}

Result<HttpClient::Answer> HttpClient::send(const Request& request) {
  Transfer transfer(request, options_.stop, received_);
  Tries tries(options_.tries);
  std::uint64_t before = 0;
  while (true) {
    Try done = try_once(transfer);
    if (!done.error) return std::move(transfer.answer);
    const std::uint64_t got = transfer.answer.content.size();
    if (got >= before + kProgressBytes) {
      tries.reset(options_.tries);
      before = got;
    }
    if (!done.may_pass || !request.again || !tries.again(options_.stop)) {
      return std::unexpected(*std::move(done.error));
    }
  }
}

}  // namespace flatkv::objects
