#include <iostream>
#include <vitrail/image/decode.hpp>
#include <vitrail/vitrail.hpp>

int main(int argc, char** argv) try {
  if (argc != 3) return std::cerr << "usage: hello MODEL PICTURE\n", 2;
  const vitrail::Classifier model = vitrail::load(argv[1]);  // a folder or a file, as published
  const vitrail::Image picture = vitrail::read_image(argv[2]);
  for (const auto& [label, probability, index] : model.classify(picture, 5))
    std::cout << probability << "  " << label << '\n';
} catch (const vitrail::Error& error) {
  return std::cerr << error.what() << '\n', 1;
}
