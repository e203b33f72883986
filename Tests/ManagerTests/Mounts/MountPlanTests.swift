import Foundation
import Glibc
import SnapshotModel
import System
import TestKit
import Testing

@testable import Manager

/// What is mounted how, and on what.
@Suite struct MountPlanTests {
    private let temporary = TemporaryFolder()

    /// A plan for a file with some bytes of a superblock.
    private func plan(_ pieces: [Int: [UInt8]], isClone: Bool = false) throws -> MountPlan {
        var bytes = [UInt8](repeating: 0, count: 256 << 10)
        for (place, piece) in pieces {
            bytes.replaceSubrange(place..<place + piece.count, with: piece)
        }
        let path = temporary.path + "/image"
        try Data(bytes).write(to: URL(filePath: path))
        return try MountPlan(
            path, partition: nil,
            MountPlan.Subject(name: "it", snapshot: SnapshotID(rawValue: 1), isClone: isClone))
    }

    @Test(
        "an ext4 whose superblock says to panic at errors does not do so here",
        arguments: [false, true])
    func errors(isClone: Bool) throws {
        // Its magic number, and s_errors.
        let plan = try plan([1080: [0x53, 0xEF], 1024 + 0x3C: [3, 0]], isClone: isClone)
        #expect(plan.kind == .ext4)
        let options = plan.attempts.map { $0.options.split(separator: ",").map(String.init) }
        #expect(options == [isClone ? ["errors=remount-ro"] : ["noload", "errors=continue"]])
    }

    @Test("the first failure is told, and other options are tried only where they may help")
    func failures() throws {
        let plan = try plan([0: Array("XFSB".utf8)])
        let cases: [(codes: [Int32], tries: Int, told: Int32)] = [
            ([EROFS, EINVAL], 2, EROFS), ([EBUSY, 0], 1, EBUSY), ([EINVAL, 0], 2, 0), ([0], 1, 0),
        ]
        for (codes, tries, told) in cases {
            var left = codes[...]
            let (attempt, code) = plan.firstSuccess { _ in left.popFirst() ?? ENOSYS }
            #expect(code == told && (attempt != nil) == (told == 0))
            #expect(codes.count - left.count == tries)
        }
    }

    @Test("a Btrfs of several devices is refused, of which the kernel would look for the others")
    func devices() throws {
        let magic = (0x10040, Array("_BHRfS_M".utf8))
        func pieces(_ count: UInt8) -> [Int: [UInt8]] {
            [magic.0: magic.1, 0x10020: [UInt8](repeating: 7, count: 16), 0x10088: [count]]
        }
        #expect(try plan(pieces(1)).kind == .btrfs)
        for count: UInt8 in [0, 2] {
            let problem = #expect(throws: Problem.self) { _ = try plan(pieces(count)) }
            #expect(problem?.code == .refused)
            #expect(problem?.message.contains("several devices") == true)
        }
    }

    // MARK: The folder

    @Test("a folder to mount on is the one that was looked at, whatever comes in its place")
    func point() throws {
        let path = temporary.path + "/view"
        try #require(mkdir(path, 0o700) == 0)
        let point = try MountPoint(path)
        try point.requireFree()
        let own = try FileStatus(path: path)
        try #require(rename(path, path + ".away") == 0)
        for isThere in [false, true] {
            if isThere { try #require(mkdir(path, 0o700) == 0) }
            let problem = #expect(throws: Problem.self) { try point.requireFree() }
            #expect(problem?.message.contains("in the place of") == true)
        }
        #expect(try FileStatus(path: point.target).isSame(as: own))
    }

    @Test("what comes into a folder after the first look is seen by the second")
    func filled() throws {
        let path = temporary.path + "/view"
        try #require(mkdir(path, 0o700) == 0)
        let point = try MountPoint(path)
        try Data().write(to: URL(filePath: path + "/file"))
        let problem = #expect(throws: Problem.self) { try point.requireFree() }
        #expect(problem?.message.contains("is not empty") == true)
    }

    @Test(
        "root does not mount where somebody else can put another folder",
        .enabled(if: geteuid() == 0))
    func trust() throws {
        let parent = temporary.path + "/theirs"
        let path = parent + "/view"
        try #require(mkdir(parent, 0o755) == 0 && mkdir(path, 0o755) == 0)
        // The folder itself may be somebody's.
        try #require(chown(path, 65534, 65534) == 0)
        _ = try MountPoint(path)
        try #require(chown(parent, 65534, 65534) == 0)
        let problem = #expect(throws: Problem.self) { _ = try MountPoint(path) }
        #expect(problem?.code == .refused && problem?.message.contains(parent) == true)
    }
}
