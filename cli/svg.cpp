// SPDX-License-Identifier: Apache-2.0
#include "svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace flatkv::cli {
namespace {

constexpr double kWidth = 720;
constexpr double kNames = 170;  // for the names on the left
constexpr double kValues = 110;
constexpr double kRow = 24;

std::string picture(double height, std::string_view title, const std::string& content) {
  return fmt::format(
      "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\" "
      "xmlns=\"http://www.w3.org/2000/svg\">{}</svg>",
      kWidth, height, escaped(title), content);
}

std::string text(double x, double y, std::string_view what, std::string_view anchor = "start") {
  return fmt::format("<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>",
                     x, y, anchor, escaped(what));
}

std::string box(double x, double y, double width, double height, std::size_t colour,
                std::string_view tip) {
  return fmt::format(
      "<rect class=\"c{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\">"
      "<title>{}</title></rect>",
      colour % 5, x, y, std::max(width, 0.0), std::max(height, 0.0), escaped(tip));
}

/// The place of a diagram with two axes.
struct Frame {
  double left = 80;
  double top = 12;
  double right = kWidth - 16;
  double bottom = 220;
  double first = 0;
  double last = 1;
  double most = 1;

  double x(double value) const {
    return left + (right - left) * (last > first ? (value - first) / (last - first) : 0.5);
  }
  double y(double value) const { return bottom - (bottom - top) * value / most; }

  std::string axes(const Written& write_x, const Written& write_y) const {
    std::string all;
    for (const double share : {0.0, 0.5, 1.0}) {
      const double at = y(share * most);
      all += fmt::format(
          "<line class=\"axis\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" "
          "y2=\"{:.1f}\"/>",
          left, at, right, at);
      all += text(left - 8, at + 4, write_y(share * most), "end");
    }
    all += text(left, bottom + 20, write_x(first), "start");
    if (last > first) all += text(right, bottom + 20, write_x(last), "end");
    return all;
  }
};

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // Control characters, which paths may have, are not allowed in a page.
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return out;
}

std::string lying_bars(const std::vector<Bar>& bars, std::string_view title, const Written& write) {
  const auto sum = [](const Bar& bar) {
    return std::accumulate(bar.parts.begin(), bar.parts.end(), 0.0);
  };
  double most = 0;
  for (const Bar& bar : bars) most = std::max(most, sum(bar));
  if (most == 0) most = 1;
  std::string all;
  double y = 4;
  for (const Bar& bar : bars) {
    all += text(kNames - 8, y + 14, bar.name, "end");
    double x = kNames;
    for (std::size_t i = 0; i < bar.parts.size(); ++i) {
      const double width = (kWidth - kNames - kValues) * bar.parts[i] / most;
      all += box(x, y + 2, width, kRow - 8, i, bar.name + ": " + write(bar.parts[i]));
      x += width;
    }
    all += text(x + 6, y + 14, write(sum(bar)));
    y += kRow;
  }
  return picture(y + 4, title, all);
}

std::string lines(const std::vector<Line>& all, std::string_view title, const Written& write_x,
                  const Written& write_y) {
  Frame frame;
  bool any = false;
  for (const Line& line : all) {
    for (const Point& point : line.points) {
      frame.first = any ? std::min(frame.first, point.x) : point.x;
      frame.last = any ? std::max(frame.last, point.x) : point.x;
      frame.most = any ? std::max(frame.most, point.y) : std::max(point.y, 1.0);
      any = true;
    }
  }
  std::string content = frame.axes(write_x, write_y);
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::string places;
    for (const Point& point : all[i].points) {
      places += fmt::format("{:.1f},{:.1f} ", frame.x(point.x), frame.y(point.y));
    }
    content += fmt::format("<polyline class=\"l{}\" points=\"{}\"/>", i % 5, places);
    for (const Point& point : all[i].points) {
      content += fmt::format(
          "<circle class=\"c{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\">"
          "<title>{}</title></circle>",
          i % 5, frame.x(point.x), frame.y(point.y),
          escaped(all[i].name + ", " + write_x(point.x) + ": " + write_y(point.y)));
    }
  }
  return picture(frame.bottom + 30, title, content);
}

std::string columns(const std::vector<Point>& points, std::string_view title,
                    const Written& write_x, const Written& write_y) {
  Frame frame;
  if (!points.empty()) {
    frame.first = points.front().x;
    frame.last = points.back().x;
  }
  for (const Point& point : points) frame.most = std::max(frame.most, point.y);
  const double width =
      (frame.right - frame.left) / static_cast<double>(std::max<std::size_t>(points.size(), 1));
  std::string content = frame.axes(write_x, write_y);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double top = frame.y(points[i].y);
    content += box(frame.left + width * static_cast<double>(i), top, std::max(width - 1, 1.0),
                   frame.bottom - top, 0, write_x(points[i].x) + ": " + write_y(points[i].y));
  }
  return picture(frame.bottom + 30, title, content);
}

std::string lanes(const std::vector<Lane>& all, double first, double last, std::string_view title,
                  const Written& write) {
  const double right = kWidth - 20;
  const auto x = [&](double value) {
    return kNames + (right - kNames) * (last > first ? (value - first) / (last - first) : 0.5);
  };
  std::string content;
  double y = 4;
  for (std::size_t i = 0; i < all.size(); ++i) {
    content += text(kNames - 8, y + 14, all[i].name, "end");
    content += fmt::format("<line class=\"axis\" x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\"/>",
                           kNames, y + 10, right, y + 10);
    for (const auto& [from, to] : all[i].spans) {
      // A single version is still to be seen.
      const double width = std::max(x(to) - x(from), 4.0);
      const std::string tip = from == to ? write(from) : write(from) + " to " + write(to);
      content += box(std::min(x(from), right - width), y + 3, width, kRow - 10, i, tip);
    }
    y += kRow;
  }
  content += text(kNames, y + 14, write(first));
  if (last > first) content += text(right, y + 14, write(last), "end");
  return picture(y + 22, title, content);
}

}  // namespace flatkv::cli
