#include "program.hpp"

int main(int argc, char** argv) { return flatkv::cli::run_program(argc, argv); }
