/// What a file has besides its content, to be given to another one.
package struct NodeMetadata: Hashable, Sendable {
    /// A moment as files have it: seconds since 1970, and nanoseconds behind them.
    package struct Time: Hashable, Sendable, Comparable {
        package var seconds: Int64
        package var nanoseconds: UInt32

        package init(seconds: Int64, nanoseconds: UInt32) {
            self.seconds = seconds
            self.nanoseconds = nanoseconds
        }

        package static func < (left: Time, right: Time) -> Bool {
            (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
        }
    }

    /// An extended attribute, with its whole name.
    package struct Attribute: Hashable, Sendable {
        package var name: String
        package var value: [UInt8]

        package init(name: String, value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    /// Nil leaves it this process's.
    package var owner: Owner?
    /// The twelve lowest bits.
    package var permissions: UInt32
    package var accessed: Time
    package var modified: Time
    package var attributes: [Attribute]

    package struct Owner: Hashable, Sendable {
        package var user: UInt32
        package var group: UInt32

        package init(user: UInt32, group: UInt32) {
            self.user = user
            self.group = group
        }
    }

    package init(
        owner: Owner?, permissions: UInt32, accessed: Time, modified: Time,
        attributes: [Attribute]
    ) {
        self.owner = owner
        self.permissions = permissions
        self.accessed = accessed
        self.modified = modified
        self.attributes = attributes
    }
}
