/// A step on the way to a snapshot.
package struct MachineStep: Hashable, Sendable, Codable {
    /// What somebody does who comes to rest for a snapshot.
    package enum Phase: String, Hashable, Sendable, Codable, CaseIterable {
        /// What takes long, before.
        case prepare
        /// It comes to rest.
        case freeze
        /// It goes on.
        case thaw
    }

    /// When it was done, since the first step, in microseconds.
    package var atMicroseconds: Int64
    /// What was done then, as people read it.
    package var text: String
    /// Whose it was: a program, a hook, a VM, or the volumes; nil where it is of one moment alone.
    package var who: String?
    package var phase: Phase?
    /// When it began, since the first step, in microseconds.
    package var beganMicroseconds: Int64?

    static let countMaximum = 4096

    package init(
        atMicroseconds: Int64, text: String, who: String? = nil, phase: Phase? = nil,
        beganMicroseconds: Int64? = nil
    ) {
        self.atMicroseconds = atMicroseconds
        self.text = text
        self.who = who
        self.phase = phase
        self.beganMicroseconds = beganMicroseconds
    }

    private enum CodingKeys: String, CodingKey {
        case atMicroseconds = "at_us"
        case text = "step"
        case who, phase
        case beganMicroseconds = "began_us"
    }

    /// Whether its times can be some.
    var isPossible: Bool {
        atMicroseconds >= 0 && (0...atMicroseconds).contains(beganMicroseconds ?? 0)
    }
}
