// What every consumer project builds: the umbrella, used.
#include <iostream>
#include <vitrail/vitrail.hpp>

int main(int argc, char** argv) try {
  const vitrail::Classifier model = vitrail::load(argc > 1 ? argv[1] : ".");
  std::cout << model.config().architecture << '\n';
} catch (const vitrail::Error& error) {
  return std::cerr << error.what() << '\n', 1;
}
