/// What holds a merge back: the content of `limits.json` in its revert's folder.
package struct MergeLimits: Hashable, Sendable, Codable {
    /// Bytes per second; nil is without limit.
    package var bytesPerSecond: Int?
    /// Whether nothing is to be merged until somebody resumes it.
    package var isPaused: Bool
    /// Under device-mapper: the share of the time, in percent, to which the kernel's copies are
    /// limited for this merge, and the one that held before the first limit of any volume.
    package var kernelPercent: Int?
    /// What the kernel's limit was before, to be set again at the end; nil when it was not
    /// touched.
    package var kernelPercentBefore: Int?

    package init(bytesPerSecond: Int? = nil, isPaused: Bool = false) {
        self.bytesPerSecond = bytesPerSecond
        self.isPaused = isPaused
    }
}
