// The library of vitrail::compiled: what VITRAIL_API marks, once for a whole program.
#include <vitrail/vitrail.hpp>
#if __has_include(<jpeglib.h>) && __has_include(<png.h>)
#include <vitrail/image/decode.hpp>
#endif
