internal import System

/// In the place of an origin that cannot be opened, for questions that its content has no part in:
/// whoever reads it after all is told why it cannot be.
final class MissingOrigin: BlockDevice {
    let path: String
    private let failure: IOFailure

    init(path: String, failure: IOFailure) {
        self.path = path
        self.failure = failure
    }

    func byteCount() throws(IOFailure) -> Int { throw failure }
    func allocatedBytes() throws(IOFailure) -> Int { throw failure }
    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) { throw failure }
    func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) { throw failure }
    func punch(_ range: Range<Int>) throws(IOFailure) { throw failure }
    func sync() throws(IOFailure) { throw failure }
    func resize(to byteCount: Int) throws(IOFailure) { throw failure }
    func firstData(in range: Range<Int>) throws(IOFailure) -> Range<Int>? { throw failure }
    func copyRange(
        _ request: CopyRange, from source: any BlockDevice, by method: CopyMethod
    ) throws(IOFailure) -> Bool { throw failure }
    func stamp() throws(IOFailure) -> OriginStamp? { throw failure }
    func allocate(_ range: Range<Int>) throws(IOFailure) { throw failure }
    func startWriteback(of range: Range<Int>) {}
}
