/// Areas that the kernel wrote, read by ours.
enum KernelAreaCases {
    static let cases = FormatShape.all.map { shape in
        GuestCase("we read the kernel's area: \(shape.name)") { context in
            let rig = try FormatRig(context, shape: shape)
            try rig.soilArea()
            try rig.withKernel {
                try rig.writeThroughKernel(rig.randomWrites(seed: 21))
                try rig.writeThroughKernel(rig.randomWrites(seed: 22).prefix(20))
                try rig.expectKernelShowsSnapshot()
            }
            try rig.expectReaderFindsSnapshot()
        }
    }
}
