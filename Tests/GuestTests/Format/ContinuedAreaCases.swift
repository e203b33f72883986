/// Areas that one of both began and the other goes on with.
enum ContinuedAreaCases {
    static let cases = shapes.flatMap { shape, first in
        [
            GuestCase("the kernel goes on with our area: \(shape.name), \(first) of ours") {
                let rig = try FormatRig($0, shape: shape)
                try rig.clearArea()
                let (ours, rest) = rig.parts(first: first)
                let (theirs, last) = (rest.prefix(rest.count / 2), rest.dropFirst(rest.count / 2))
                try rig.withEngine(creating: true) { try rig.write(ours, preserving: $0) }
                try rig.withKernel {
                    try rig.expectKernelShowsSnapshot()
                    try rig.writeThroughKernel(theirs)
                    try rig.expectKernelShowsSnapshot()
                }
                try rig.expectReaderFindsSnapshot()
                try rig.withEngine(creating: false) { try rig.write(last, preserving: $0) }
                try rig.expectReaderFindsSnapshot()
                try rig.withKernel { try rig.expectKernelShowsSnapshot() }
            },
            GuestCase("we go on with the kernel's area: \(shape.name), \(first) of its") {
                let rig = try FormatRig($0, shape: shape)
                try rig.soilArea()
                let (theirs, rest) = rig.parts(first: first)
                let (ours, last) = (rest.prefix(rest.count / 2), rest.dropFirst(rest.count / 2))
                try rig.withKernel { try rig.writeThroughKernel(theirs) }
                try rig.expectReaderFindsSnapshot()
                try rig.withEngine(creating: false) { try rig.write(ours, preserving: $0) }
                try rig.expectReaderFindsSnapshot()
                try rig.withKernel {
                    try rig.expectKernelShowsSnapshot()
                    try rig.writeThroughKernel(last)
                    try rig.expectKernelShowsSnapshot()
                }
                try rig.expectReaderFindsSnapshot()
            },
        ]
    }

    /// The number of exceptions that the first writer makes: just below, at and just above the end
    /// of a metadata block.
    private static let shapes: [(FormatShape, first: Int)] = {
        func shape(kibibytes: Int, chunks: Int) -> FormatShape {
            FormatShape(
                name: "\(kibibytes) KiB chunks", chunkBytes: kibibytes << 10, chunkCount: chunks,
                missingSectors: 5, exceptionCount: chunks)
        }
        let small = shape(kibibytes: 4, chunks: 700)
        return [
            (small, 0), (small, 255), (small, 256), (small, 257), (small, 512), (small, 698),
            (shape(kibibytes: 16, chunks: 1100), 1024),
            (shape(kibibytes: 64, chunks: 4110), 4096),
            (shape(kibibytes: 512, chunks: 60), 20),
        ]
    }()
}

extension FormatRig {
    /// All chunks' writes, cut where the first ones have touched exactly `first` chunks.
    fileprivate func parts(first: Int) -> ([FormatWrite], [FormatWrite]) {
        let writes = randomWrites(seed: 31)
        var head: [FormatWrite] = []
        var tail: [FormatWrite] = []
        var count = 0
        for write in writes {
            // One write may lie over the cut; whatever fits goes first.
            if count + write.chunks.count <= first {
                head.append(write)
                count += write.chunks.count
            } else {
                tail.append(write)
            }
        }
        precondition(count == first, "the writes cannot be cut at \(first)")
        return (head, tail)
    }
}
