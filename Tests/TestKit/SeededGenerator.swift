/// Random numbers that a seed repeats exactly: SplitMix64.
///
/// Source of the constants: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators".
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return Self.mixed(state)
    }

    /// A number below `bound`, which must be positive.
    package mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0, "nothing is below zero")
        return Int(next() % UInt64(bound))
    }

    /// True once in `count` times.
    package mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

    /// A generator of its own for one part of a run, so that parts do not shift one another.
    package func forked(_ stream: UInt64) -> SeededGenerator {
        SeededGenerator(seed: Self.mixed(state ^ Self.mixed(stream &+ 1)))
    }

    /// A bijection of 64 bits in which every input bit changes half of the output bits.
    package static func mixed(_ value: UInt64) -> UInt64 {
        var mix = value
        mix = (mix ^ (mix >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mix = (mix ^ (mix >> 27)) &* 0x94d0_49bb_1331_11eb
        return mix ^ (mix >> 31)
    }
}
