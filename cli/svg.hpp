// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Pictures for pages: SVG elements whose colours are the page's (classes c0 to c4, axis, label).
namespace flatkv::cli {

/// Text as the content or an attribute's value of HTML and SVG.
std::string escaped(std::string_view text);

/// How a number is written beside a bar or an axis.
using Written = std::function<std::string(double)>;

/// A bar of one or several stacked parts.
struct Bar {
  std::string name;
  std::vector<double> parts;
};
/// Bars that lie, one below the other, with name and sum. `title` is read out in place of the
/// picture.
std::string lying_bars(const std::vector<Bar>& bars, std::string_view title, const Written& write);

struct Point {
  double x = 0;
  double y = 0;
};
struct Line {
  std::string name;
  std::vector<Point> points;  ///< x ascending
};
/// Lines over a common x, from zero on the other axis.
std::string lines(const std::vector<Line>& all, std::string_view title, const Written& write_x,
                  const Written& write_y);

/// Columns over x, as many as there are points.
std::string columns(const std::vector<Point>& points, std::string_view title,
                    const Written& write_x, const Written& write_y);

/// Where something lies between two ends: spans and single marks in rows.
struct Lane {
  std::string name;
  std::vector<std::pair<double, double>> spans;
};
std::string lanes(const std::vector<Lane>& all, double first, double last, std::string_view title,
                  const Written& write);

}  // namespace flatkv::cli
