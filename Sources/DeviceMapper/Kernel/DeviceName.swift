package import SnapshotModel

/// A device-mapper name, as `/dev/mapper` shows it. This is the one place that builds ours.
///
/// A volume's name has neither `:` nor `@`, so no two of these names can meet. All characters are
/// among those that libdevmapper and udev leave as they are.
package struct DeviceName: Hashable, Sendable {
    package let text: String

    /// The kernel's limit, in bytes (`DM_NAME_LEN` without the zero at the end).
    package static let bytesMaximum = 127

    /// Any name that the kernel takes: 1 to ``bytesMaximum`` bytes, without `/` and control
    /// characters.
    package init?(_ text: String) {
        guard (1...Self.bytesMaximum).contains(text.utf8.count), text != ".", text != "..",
            text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") })
        else { return nil }
        self.text = text
    }

    /// The name of a part of a volume; the volume's name must be a valid one.
    package init(volume: String, _ part: Part) {
        precondition(VolumeRecord.isValidName(volume), "no volume's name")
        text = "snapmgr-" + volume + part.suffix
    }

    /// What a device is to its volume.
    package enum Part: Hashable, Sendable {
        /// What users mount: `snapshot-origin` over ``content``.
        case mounted
        /// `snapshot-origin` over ``linear``, or what a revert's merge needs in its place.
        case content
        /// `linear` over the origin device.
        case linear
        /// `snapshot-origin` over ``linear``, below ``content`` while a merge is paused: takes what is
        /// written to chunks that need no merging.
        case pausedOrigin
        /// The `snapshot` that keeps the exceptions of the snapshot with this ordinal.
        case snapshot(SnapshotOrdinal)
        /// A revert's synthetic exception store.
        case synthetic(RevertID)
        /// The writable snapshot over a revert's synthetic store.
        case overlay(RevertID)
        /// The read-only view of a snapshot.
        case view(SnapshotID)
        /// A clone, which users mount.
        case clone(CloneOrdinal)
        /// What a clone began as, read-only: a device of its own, so that views can be mounted beside it.
        case cloneBase(CloneOrdinal)
    }

    /// The node that libdevmapper or udev makes.
    package var path: String { "/dev/mapper/" + text }

    /// The volume and the part that a name of ours stands for; nil for any other name.
    package var volumePart: (volume: String, part: Part)? {
        guard text.hasPrefix("snapmgr-") else { return nil }
        let rest = text.dropFirst("snapmgr-".count)
        let end = rest.firstIndex { $0 == ":" || $0 == "@" } ?? rest.endIndex
        let volume = String(rest[..<end])
        guard VolumeRecord.isValidName(volume), let part = Part(suffix: rest[end...]),
            // What we would not write so is not ours, such as more or fewer leading zeroes.
            DeviceName(volume: volume, part) == self
        else { return nil }
        return (volume, part)
    }
}

extension DeviceName: CustomStringConvertible {
    package var description: String { text }
}

extension DeviceName.Part {
    var suffix: String {
        switch self {
        case .mounted: ""
        case .content: ":base"
        case .linear: ":real"
        case .pausedOrigin: ":under"
        case .snapshot(let ordinal): ":snap-" + ordinal.rawValue.padded(to: 6)
        case .synthetic(let revert): ":synth-" + revert.rawValue.padded(to: 6)
        case .overlay(let revert): ":overlay-" + revert.rawValue.padded(to: 6)
        case .view(let snapshot): "@\(snapshot)"
        case .clone(let ordinal): ":clone-" + ordinal.rawValue.padded(to: 6)
        case .cloneBase(let ordinal): ":below-" + ordinal.rawValue.padded(to: 6)
        }
    }

    init?(suffix: Substring) {
        switch suffix {
        case "": self = .mounted
        case ":base": self = .content
        case ":real": self = .linear
        case ":under": self = .pausedOrigin
        default:
            if let number = Self.number(suffix, after: ":snap-") {
                self = .snapshot(SnapshotOrdinal(rawValue: Int(number)))
            } else if let number = Self.number(suffix, after: ":synth-") {
                self = .synthetic(RevertID(rawValue: number))
            } else if let number = Self.number(suffix, after: ":overlay-") {
                self = .overlay(RevertID(rawValue: number))
            } else if let number = Self.number(suffix, after: "@") {
                self = .view(SnapshotID(rawValue: number))
            } else if let ordinal = Self.clone(suffix, after: ":clone-") {
                self = .clone(ordinal)
            } else if let ordinal = Self.clone(suffix, after: ":below-") {
                self = .cloneBase(ordinal)
            } else {
                return nil
            }
        }
    }

    private static func clone(_ suffix: Substring, after prefix: String) -> CloneOrdinal? {
        number(suffix, after: prefix).flatMap { CloneOrdinal(checking: Int($0)) }
    }

    private static func number(_ suffix: Substring, after prefix: String) -> Int64? {
        guard suffix.hasPrefix(prefix) else { return nil }
        return Int64(digits: suffix.dropFirst(prefix.count))
    }

    /// Whether users and their filesystems meet the device. Of the others, udev makes no links by
    /// filesystem UUID or label: they carry the same filesystem as the top.
    var isMounted: Bool { self == .mounted }
}
