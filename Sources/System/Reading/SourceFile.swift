internal import CSystem
internal import Glibc

/// An open file of a mounted filesystem that is read.
package final class SourceFile {
    package let path: String
    private let descriptor: OwnedDescriptor

    init(_ descriptor: consuming OwnedDescriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// The first stretch from an offset on that is no hole, cut at `end`; nil when none is left. Where the filesystem
    /// cannot tell, all is.
    package func data(from offset: Int, to end: Int) throws(IOFailure) -> Range<Int>? {
        guard offset < end else { return nil }
        let start = Int(snapmgr_seek_data(descriptor.number, Int64(offset)))
        guard start >= 0 else {
            if errno == ENXIO { return nil }
            if errno == EINVAL || errno == EOPNOTSUPP { return offset..<end }
            throw .last("look for holes in", path: path)
        }
        guard start < end else { return nil }
        let hole = Int(snapmgr_seek_hole(descriptor.number, Int64(start)))
        guard hole > start else { return start..<end }
        return start..<min(hole, end)
    }

    /// Fills the buffer; what lies beyond the file's end reads as zeroes.
    package func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
        let number = descriptor.number
        let isRead = buffer.withUnsafeMutableBytes { bytes in
            var done = 0
            while done < bytes.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
                let count = retryingInterrupts {
                    pread(number, rest.baseAddress, rest.count, offset + done)
                }
                guard count >= 0 else { return false }
                guard count > 0 else {
                    _ = rest.initializeMemory(as: UInt8.self, repeating: 0)
                    break
                }
                done += count
            }
            return true
        }
        guard isRead else { throw .last("read", path: path) }
    }
}
