internal import Glibc
internal import System
internal import SnapshotModel

/// A snapshot's content, to be copied out of the cluster.
final class ImageContent: BlockDevice {
    private let image: Image
    private let size: Int
    private let data: [Range<Int>]

    /// Asks first where it has data at all.
    init(_ image: Image, proceed: () throws(Problem) -> Void) throws(Problem) {
        self.image = image
        size = try image.byteCount()
        data = try image.changes(since: nil, in: 0..<size, dataOnly: true, proceed: proceed)
    }

    var path: String { image.name.path + (image.snapshot.map { "@" + $0 } ?? "") }

    func byteCount() throws(IOFailure) -> Int { size }

    func allocatedBytes() throws(IOFailure) -> Int { data.reduce(0) { $0.addingClamped($1.count) } }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
        let range = (offset..<offset.addingClamped(buffer.byteCount)).clamped(to: 0..<size)
        let content: Buffer
        do throws(Problem) { content = try image.read(range) } catch {
            throw .inputOutput("read", path: path)
        }
        buffer.zero()
        content.withBytes(range.count) { bytes in
            buffer.withUnsafeMutableBytes { target in
                bytes.withUnsafeBytes { target.copyMemory(from: $0) }
            }
        }
    }

    func firstData(in range: Range<Int>) throws(IOFailure) -> Range<Int>? {
        let index = data.lowestIndex { $0.upperBound > range.lowerBound }
        guard index < data.count, data[index].lowerBound < range.upperBound else { return nil }
        return data[index].clamped(to: range)
    }

    // It is read alone.
    func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) { throw readOnly }
    func punch(_ range: Range<Int>) throws(IOFailure) { throw readOnly }
    func sync() throws(IOFailure) {}
    func resize(to byteCount: Int) throws(IOFailure) { throw readOnly }

    private var readOnly: IOFailure { IOFailure("write", path: path, code: EROFS) }
}
