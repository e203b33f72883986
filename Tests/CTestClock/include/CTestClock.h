// A library to be preloaded (LD_PRELOAD): the process, its threads and what it starts see a clock that
// a test sets. Nothing calls it; it stands between the process and the C library. It shares nothing
// with other processes than the one file that it is given, and that belongs to the test.
//
//   SNAPMGR_TEST_CLOCK         a file of eight bytes: what is added to CLOCK_MONOTONIC, in
//                              microseconds (i64 in the machine's byte order; nanoseconds would end
//                              in 2262). Whoever writes there sets the clock, at once and in all
//                              threads: the file is mapped and never read again.
//   SNAPMGR_TEST_CLOCK_START   instead of a file: seconds since 1970 at which the process begins
//
// Only the wall clock is another one: monotonic clocks and the times of files are true. A clock that
// was asked for and cannot be had ends the process: it would prove what is not so.
#ifndef SNAPMGR_TEST_CLOCK_H
#define SNAPMGR_TEST_CLOCK_H
#endif
