package import SnapshotModel

/// What a hook posts in the place of a program.
package struct HookPost: Hashable, Sendable, Codable {
    package var peer: PostPeer
    /// Of what signs it; nil when it is not signed.
    package var secretPath: String?
}
