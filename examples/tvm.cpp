// SPDX-License-Identifier: Apache-2.0
// Runs a network that `trit export --format tvm` built: tvm LIBRARY IMAGE, the image its raw bytes (channels, height,
// width); prints a score a line. It needs TVM's runtime alone: libtvm_runtime.so and libtvm_ffi.so, which Python's
// packages apache-tvm and apache-tvm-ffi hold beside their headers.
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/module.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int kPooled = 2;  // how the virtual machine allocates: it keeps what it freed

// Where an image's bytes lie: TVM's kernels may rely on 64-byte alignment.
struct Aligned {
    void AllocData(DLTensor *tensor) {
        const std::size_t size = (tvm::ffi::GetDataSize(*tensor) + 63) / 64 * 64;
        tensor->data = std::aligned_alloc(64, size);
        if (tensor->data == nullptr) throw std::bad_alloc();
    }
    void FreeData(DLTensor *tensor) { std::free(tensor->data); }
};

// The library's functions, once a virtual machine on the CPU is set up to run them.
tvm::ffi::Module open(const std::string &path) {
    tvm::ffi::Module library = tvm::ffi::Module::LoadFromFile(std::filesystem::absolute(path).string());
    auto machine = library->GetFunction("vm_load_executable").value()().cast<tvm::ffi::Module>();
    machine->GetFunction("vm_initialization").value()(static_cast<int>(kDLCPU), 0, kPooled);
    return machine;
}

std::vector<std::int64_t> shape_of(const tvm::ffi::Module &machine) {
    auto shape = machine->GetFunction("input_shape").value()().cast<tvm::ffi::Tensor>();
    const auto *sizes = static_cast<const std::int64_t *>(shape.data_ptr());
    return {sizes, sizes + 3};
}

std::vector<char> read(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path + ": cannot be opened");
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int count, char **arguments) {
    if (count != 3) return std::fputs("usage: tvm LIBRARY IMAGE\n", stderr), 2;
    try {
        const tvm::ffi::Module machine = open(arguments[1]);
        const std::vector<std::int64_t> shape = shape_of(machine);
        const std::vector<char> bytes = read(arguments[2]);
        const auto size = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
        if (static_cast<std::int64_t>(bytes.size()) != size)
            throw std::runtime_error(std::string(arguments[2]) + ": holds not " + std::to_string(size) + " bytes");
        const auto image = tvm::ffi::Tensor::FromNDAlloc(Aligned(), tvm::ffi::ShapeView(shape.data(), shape.size()),
                                                         DLDataType{kDLUInt, 8, 1}, DLDevice{kDLCPU, 0});
        std::copy(bytes.begin(), bytes.end(), static_cast<char *>(image.data_ptr()));
        auto scores = machine->GetFunction("main").value()(image).cast<tvm::ffi::Tensor>();
        for (std::int64_t i = 0; i < scores.numel(); i++)
            std::printf("%.9g\n", static_cast<double>(static_cast<const float *>(scores.data_ptr())[i]));
    } catch (const std::exception &error) {
        return std::fprintf(stderr, "tvm: %s\n", error.what()), 1;
    }
}
