/// The content of a simulated file, in pages; a page that is absent reads as zeroes and costs
/// nothing. Copies share their pages until one of them is written.
struct SparseBytes {
    private var pages: [Int: [UInt8]] = [:]

    /// The unit of allocation, in bytes: a filesystem's block.
    static let pageBytes = 4096

    private static let zeroPage = [UInt8](repeating: 0, count: pageBytes)

    var allocatedBytes: Int { pages.count * Self.pageBytes }

    /// The pages that a byte range touches.
    private static func pages(touching range: Range<Int>) -> Range<Int> {
        range.lowerBound / pageBytes..<(range.upperBound + pageBytes - 1) / pageBytes
    }

    private static func part(of range: Range<Int>, in page: Int) -> Range<Int> {
        range.clamped(to: page * pageBytes..<(page + 1) * pageBytes)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) {
        let range = offset..<offset + buffer.count
        guard !range.isEmpty else { return }
        for page in Self.pages(touching: range) {
            let part = Self.part(of: range, in: page)
            let target = UnsafeMutableRawBufferPointer(
                rebasing: buffer[part.lowerBound - offset..<part.upperBound - offset])
            guard let content = pages[page] else {
                _ = target.initializeMemory(as: UInt8.self, repeating: 0)
                continue
            }
            let start = part.lowerBound - page * Self.pageBytes
            content.withUnsafeBytes {
                target.copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: $0[start..<start + part.count]))
            }
        }
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        let range = offset..<offset + bytes.count
        guard !range.isEmpty else { return }
        for page in Self.pages(touching: range) {
            let part = Self.part(of: range, in: page)
            let start = part.lowerBound - page * Self.pageBytes
            let source = UnsafeRawBufferPointer(
                rebasing: bytes[part.lowerBound - offset..<part.upperBound - offset])
            pages[page, default: Self.zeroPage].withUnsafeMutableBytes {
                UnsafeMutableRawBufferPointer(rebasing: $0[start..<start + part.count])
                    .copyMemory(from: source)
            }
        }
    }

    /// Makes a range read as zeroes; pages that lie wholly in it are freed.
    mutating func zero(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        // A file's whole tail may be named by a range much longer than its pages are many.
        guard Self.pages(touching: range).count <= pages.count else {
            for page in pages.keys where range.overlaps(Self.extent(of: page)) {
                zero(range, in: page)
            }
            return
        }
        for page in Self.pages(touching: range) where pages[page] != nil { zero(range, in: page) }
    }

    private static func extent(of page: Int) -> Range<Int> {
        page * pageBytes..<(page + 1) * pageBytes
    }

    private mutating func zero(_ range: Range<Int>, in page: Int) {
        let part = Self.part(of: range, in: page)
        guard part.count < Self.pageBytes else {
            pages[page] = nil
            return
        }
        let start = part.lowerBound - page * Self.pageBytes
        pages[page, default: Self.zeroPage].withUnsafeMutableBytes {
            _ = UnsafeMutableRawBufferPointer(rebasing: $0[start..<start + part.count])
                .initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    /// Allocates the pages of a range that are not there, as zeroes.
    mutating func reserve(_ range: Range<Int>) {
        for page in missingPages(in: range) { pages[page] = Self.zeroPage }
    }

    /// The pages that a write of `range` would have to allocate, in order.
    func missingPages(in range: Range<Int>) -> [Int] {
        range.isEmpty ? [] : Self.pages(touching: range).filter { pages[$0] == nil }
    }

    /// The first stretch of pages in `range` that are there, cut to the range.
    func firstData(in range: Range<Int>) -> Range<Int>? {
        guard !range.isEmpty else { return nil }
        let touched = Self.pages(touching: range)
        guard let first = touched.first(where: { pages[$0] != nil }) else { return nil }
        let end = (first..<touched.upperBound).first { pages[$0] == nil } ?? touched.upperBound
        return (first * Self.pageBytes..<end * Self.pageBytes).clamped(to: range)
    }
}
