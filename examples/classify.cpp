// SPDX-License-Identifier: Apache-2.0
// classify.c in C++17: classify PLAN IMAGE, the image a binary PGM (gray) or PPM (colour) of the network's size.
#include <array>
#include <cstdint>
#include <cstddef>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "trit/inspect.h"

namespace {

using Bytes = std::vector<std::uint8_t>;
using Shape = std::array<std::uint32_t, 3>;  // channels, height, width

std::ifstream open_file(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path + ": cannot be opened");
    return file;
}

Bytes read_file(const std::string &path) {
    std::ifstream file = open_file(path);
    return Bytes(std::istreambuf_iterator<char>(file), {});
}

// A plan with the memory it runs in. The plan points into its own bytes: it can move, but not be copied.
class Network {
public:
    explicit Network(const std::string &path) : bytes_(read_file(path)) {
        check(trit_open(&plan_, bytes_.data(), bytes_.size()), path);
        arena_.resize((trit_arena_size(&plan_) + 3) / 4);
    }
    Network(const Network &) = delete;
    Network &operator=(const Network &) = delete;
    Network(Network &&) = default;
    Network &operator=(Network &&) = default;

    Shape input_shape() const {
        Shape shape{};
        trit_input_shape(&plan_, shape.data());
        return shape;
    }

    // Scores of an image in the order (channels, height, width). One thread at a time, because of the arena.
    std::vector<float> run(const Bytes &image) {
        if (image.size() != trit_input_size(&plan_)) throw std::invalid_argument("the image has another size");
        std::vector<float> scores(trit_output_size(&plan_));
        check(trit_run(&plan_, arena_.data(), 4 * arena_.size(), image.data(), scores.data()), "run");
        return scores;
    }

    std::string label(std::uint32_t index) const {
        const char *text = trit_label(&plan_, index);
        return text ? text : "";
    }

private:
    static void check(trit_status status, const std::string &what) {
        if (status != TRIT_OK) throw std::runtime_error(what + ": " + trit_status_text(status));
    }

    Bytes bytes_;
    std::vector<std::uint32_t> arena_;
    trit_plan plan_{};
};

std::uint32_t read_number(std::istream &file) {
    std::uint32_t number = 0;
    while ((file >> std::ws).peek() == '#') file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    file >> number;
    return number;
}

Bytes read_image(const std::string &path, const Shape &shape) {
    const auto [channels, height, width] = shape;
    std::ifstream file = open_file(path);
    std::string magic(2, ' ');
    file.read(magic.data(), 2);
    if ((channels != 1 || magic != "P5") && (channels != 3 || magic != "P6"))
        throw std::runtime_error(path + ": is not an image as the network reads: P5 has one channel, P6 three");
    if (read_number(file) != width || read_number(file) != height || read_number(file) != 255)
        throw std::runtime_error(path + ": has not the network's width and height, or not 256 levels");
    file.get();  // the blank that ends the header

    Bytes image(std::size_t{channels} * height * width);
    const std::size_t pixels = std::size_t{height} * width;
    for (std::size_t pixel = 0; pixel < pixels; ++pixel)
        for (std::size_t channel = 0; channel < channels; ++channel)
            image[channel * pixels + pixel] = static_cast<std::uint8_t>(file.get());
    if (!file) throw std::runtime_error(path + ": is truncated");
    return image;
}

void classify(const std::string &plan, const std::string &image) {
    Network network(plan);
    const std::vector<float> scores = network.run(read_image(image, network.input_shape()));
    std::cout.precision(std::numeric_limits<float>::max_digits10);
    std::array<std::uint32_t, 3> best{};
    const auto count = static_cast<std::uint32_t>(scores.size());
    const std::uint32_t found = trit_top_k(scores.data(), count, best.size(), best.data());
    for (std::uint32_t i = 0; i < found; ++i)
        std::cout << scores[best[i]] << ' ' << network.label(best[i]) << '\n';
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        std::cerr << "usage: classify PLAN IMAGE\n";
        return 2;
    }
    try {
        classify(argv[1], argv[2]);
    } catch (const std::exception &error) {
        std::cerr << "classify: " << error.what() << '\n';
        return 2;
    }
}
