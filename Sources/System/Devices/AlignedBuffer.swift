internal import Glibc

/// A page-aligned buffer, fit for direct I/O.
package struct AlignedBuffer: ~Copyable, @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    /// The size in bytes.
    package let count: Int

    /// The alignment in bytes: what direct I/O asks for at most.
    package static let alignment = 4096

    /// A buffer of zeroes.
    package init(count: Int) {
        base = .allocate(byteCount: count, alignment: Self.alignment)
        base.initializeMemory(as: UInt8.self, repeating: 0, count: count)
        self.count = count
    }

    deinit { base.deallocate() }

    package var bytes: RawSpan {
        @_lifetime(borrow self)
        get { _overrideLifetime(RawSpan(_unsafeStart: base, byteCount: count), borrowing: self) }
    }

    package var mutableBytes: MutableRawSpan {
        @_lifetime(&self)
        mutating get {
            _overrideLifetime(
                MutableRawSpan(_unsafeStart: base, byteCount: count), mutating: &self)
        }
    }

    @_lifetime(borrow self)
    package func bytes(in range: Range<Int>) -> RawSpan { bytes.extracting(range) }

    @_lifetime(&self)
    package mutating func mutableBytes(in range: Range<Int>) -> MutableRawSpan {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "outside the buffer")
        return _overrideLifetime(
            MutableRawSpan(_unsafeStart: base + range.lowerBound, byteCount: range.count),
            mutating: &self)
    }
}

extension MutableRawSpan {
    /// A part of the span, for as long as the span itself is not used.
    @_lifetime(&self)
    package mutating func part(_ range: Range<Int>) -> MutableRawSpan {
        _mutatingExtracting(range)
    }

    /// Sets every byte to zero.
    @_lifetime(self: copy self)
    package mutating func zero() {
        withUnsafeMutableBytes { bytes in
            _ = bytes.initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    /// Copies `source`, which must be as long, over the span.
    @_lifetime(self: copy self)
    package mutating func copy(from source: RawSpan) {
        precondition(source.byteCount == byteCount, "spans differ in length")
        withUnsafeMutableBytes { bytes in source.withUnsafeBytes { bytes.copyMemory(from: $0) } }
    }
}

extension RawSpan {
    /// Whether every byte is zero.
    package var isZero: Bool {
        withUnsafeBytes { bytes in
            guard let first = bytes.first else { return true }
            guard first == 0, let base = bytes.baseAddress else { return false }
            // All bytes are equal to the one before them, and the first is zero.
            return memcmp(base, base + 1, bytes.count - 1) == 0
        }
    }

    /// Whether another span has the same bytes.
    package func hasSameBytes(_ other: RawSpan) -> Bool {
        guard byteCount == other.byteCount else { return false }
        return withUnsafeBytes { own in
            other.withUnsafeBytes { other in
                guard let left = own.baseAddress, let right = other.baseAddress else { return true }
                return memcmp(left, right, own.count) == 0
            }
        }
    }

    /// Reads a little-endian integer.
    package func littleEndian<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type = Value.self, at offset: Int
    ) -> Value {
        precondition(offset >= 0 && offset + MemoryLayout<Value>.size <= byteCount, "outside")
        return withUnsafeBytes {
            Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self))
        }
    }

    /// The bytes as an array.
    package var array: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}

extension MutableRawSpan {
    /// Writes a little-endian integer.
    @_lifetime(self: copy self)
    package mutating func store<Value: FixedWidthInteger & BitwiseCopyable>(
        littleEndian value: Value, at offset: Int
    ) {
        precondition(offset >= 0 && offset + MemoryLayout<Value>.size <= byteCount, "outside")
        withUnsafeMutableBytes {
            $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
        }
    }
}
