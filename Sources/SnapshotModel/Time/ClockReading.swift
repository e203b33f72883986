/// What the clocks show at one moment: the wall clock, which people and time servers set, and the
/// time since the machine was started, which nobody sets.
package struct ClockReading: Hashable, Sendable {
    package var wall: Timestamp
    /// Tells one start of the machine from another; empty when it is not known.
    package var bootID: String
    /// Since the start, in nanoseconds, with the time in which the machine was suspended.
    package var bootNanoseconds: Int64

    package init(wall: Timestamp, bootID: String, bootNanoseconds: Int64) {
        self.wall = wall
        self.bootID = bootID
        self.bootNanoseconds = bootNanoseconds
    }
}
