import MergeKit
import TestKit

/// Areas that our engine wrote, read by the kernel.
enum EngineAreaCases {
    static let cases = FormatShape.all.map { shape in
        GuestCase("the kernel reads our area: \(shape.name)") { context in
            let rig = try FormatRig(context, shape: shape)
            try rig.clearArea()
            try rig.withEngine(creating: true) { area in
                try rig.write(rig.randomWrites(seed: 11), preserving: area)
                // Nothing new: the chunks are preserved already.
                try rig.write(rig.randomWrites(seed: 12).prefix(20), preserving: area)
            }
            try rig.expectReaderFindsSnapshot()
            try rig.withKernel { try rig.expectKernelShowsSnapshot() }
            // To look at it changed nothing.
            try rig.expectReaderFindsSnapshot()
        }
    }
}

extension FormatRig {
    /// Writes, in random order, that touch as many chunks as the shape says, the same ones for all
    /// seeds, each in one write.
    func randomWrites(seed: UInt64) -> [FormatWrite] {
        var choice = SeededGenerator(seed: 3)
        let chunks = Array(0..<shape.chunkCount).shuffled(using: &choice)
            .prefix(shape.exceptionCount)
        var generator = SeededGenerator(seed: seed)
        return FormatWrite.covering(chunks, blockCount: before.blockCount, by: &generator)
    }
}
