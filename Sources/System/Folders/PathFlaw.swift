package import SnapshotModel

/// A component of a path that somebody else can change: the path is not to be trusted.
package struct PathFlaw: Hashable, Sendable {
    package enum Cause: Hashable, Sendable {
        /// It belongs to another user.
        case owner
        case writableByGroup
        case writableByAll
    }

    /// The component, with all symbolic links before it followed.
    package let path: String
    package let cause: Cause
    /// The name of the component's owner, or `uid N` for one without a name.
    package let owner: String

    package init(path: String, cause: Cause, owner: String) {
        (self.path, self.cause, self.owner) = (path, cause, owner)
    }

    /// What is wrong, as the end of a sentence.
    package var reason: String {
        switch cause {
        case .owner: "\(path) belongs to \(owner)"
        case .writableByGroup: "the group of \(path) (owner \(owner)) may write to it"
        case .writableByAll: "everybody may write to \(path) (owner \(owner))"
        }
    }

    /// The command that takes the component away from others.
    package var remedy: String {
        switch cause {
        case .owner: "`chown root \(path)`"
        case .writableByGroup, .writableByAll: "`chmod go-w \(path)`"
        }
    }

    /// The refusal to use what is not to be trusted.
    ///
    /// - Parameters:
    ///   - object: what was to be used, with its path.
    ///   - alternative: the other way out, as an imperative.
    package func refusal(of object: String, alternative: String) -> Problem {
        Problem(
            .refused, "\(object) is not used by root: \(reason), and so others can change it",
            hint: "\(remedy), or \(alternative)")
    }
}
