// A library to be preloaded (LD_PRELOAD): it writes down, in order, everything that the process does
// to files below one folder. Nothing calls it; it stands between the process and the C library.
//
//   SNAPMGR_RECORD_ROOT   the folder
//   SNAPMGR_RECORD_LOG    the file that gets the record, outside the folder
//
// The record is a sequence of entries, numbers in the machine's byte order:
//   u32 kind  u32 bytes of the path  u32 bytes of the second path  u32 bytes of data
//   i64 offset  i64 length  path  second path  data
// Paths are relative to the folder; "" is the folder itself.
#ifndef SNAPMGR_DISK_RECORDER_H
#define SNAPMGR_DISK_RECORDER_H

enum snapmgr_recorded {
  SNAPMGR_RECORDED_CREATE = 1,
  SNAPMGR_RECORDED_WRITE = 2,
  SNAPMGR_RECORDED_RESIZE = 3,
  SNAPMGR_RECORDED_ZERO = 4,
  SNAPMGR_RECORDED_SYNC = 5,
  SNAPMGR_RECORDED_RENAME = 6,
  SNAPMGR_RECORDED_LINK = 7,
  SNAPMGR_RECORDED_UNLINK = 8,
  SNAPMGR_RECORDED_MAKE_FOLDER = 9,
  SNAPMGR_RECORDED_REMOVE_FOLDER = 10,
  /// Something that the replay does not know, so that it must not go on.
  SNAPMGR_RECORDED_UNKNOWN = 11,
};

#endif
