import System
import Glibc
import TestKit
import Testing

@Suite("A file as a block device")
struct FileDeviceTests {
    private let temporary = TemporaryFolder()

    private func makeDevice(byteCount: Int) throws -> FileDevice {
        let device = try FileDevice(path: temporary.path + "/file", access: .create)
        try device.resize(to: byteCount)
        return device
    }

    @Test("reads back what was written, at any offset and length", arguments: [0, 1, 511, 4097])
    func roundTrip(offset: Int) throws {
        let device = try makeDevice(byteCount: 20_000)
        let bytes = [UInt8]((0..<5000).map { UInt8($0 % 251) })
        try device.write(bytes, at: offset)
        try device.sync()
        #expect(try device.content(offset..<offset + bytes.count) == bytes)
        #expect(try device.byteCount() == 20_000)
    }

    @Test("what lies behind the end reads as zeroes")
    func readsBehindTheEnd() throws {
        let device = try makeDevice(byteCount: 3)
        try device.write([1, 2, 3], at: 0)
        #expect(try device.content(1..<6) == [2, 3, 0, 0, 0])
        #expect(try device.content(100..<102) == [0, 0])
    }

    @Test("a punched range reads as zeroes, occupies nothing, and leaves its neighbours")
    func punch() throws {
        let device = try makeDevice(byteCount: 3 * 65_536)
        try device.write([UInt8](repeating: 7, count: 3 * 65_536), at: 0)
        try device.sync()
        let before = try device.allocatedBytes()
        try device.punch(65_536..<2 * 65_536)
        #expect(try device.content(65_535..<65_537) == [7, 0])
        #expect(try device.content(131_071..<131_073) == [0, 7])
        #expect(try device.byteCount() == 3 * 65_536)
        #expect(try device.allocatedBytes() < before)
        try device.punch(5..<5)
    }

    @Test("data is found behind a hole, and nothing in one")
    func firstData() throws {
        let device = try makeDevice(byteCount: 1 << 20)
        #expect(try device.firstData(in: 0..<1 << 20) == nil)
        try device.write([1], at: 655_360)
        let data = try #require(try device.firstData(in: 0..<1 << 20))
        #expect(data.contains(655_360) && data.lowerBound > 0)
        #expect(try device.firstData(in: 0..<4096) == nil)
        #expect(try device.firstData(in: 9..<9) == nil)
    }

    @Test("resizing cuts, and extends with zeroes")
    func resize() throws {
        let device = try makeDevice(byteCount: 4)
        try device.write([1, 2, 3, 4], at: 0)
        try device.resize(to: 2)
        try device.resize(to: 4)
        #expect(try device.content(0..<4) == [1, 2, 0, 0])
    }

    @Test("copies within the kernel where it can, and says when it cannot")
    func copyRange() throws {
        let source = try makeDevice(byteCount: 8192)
        try source.write([UInt8](repeating: 5, count: 8192), at: 0)
        let target = try FileDevice(path: temporary.path + "/copy", access: .create)
        let request = CopyRange(sourceOffset: 0, destinationOffset: 4096, byteCount: 4096)
        if try target.copyRange(request, from: source, by: .copyFileRange) {
            #expect(try target.content(4095..<4097) == [0, 5])
        }
        #expect(try target.copyRange(request, from: source, by: .readWrite) == false)
        let foreign = SimulatedDisk().origin()
        #expect(try target.copyRange(request, from: foreign, by: .copyFileRange) == false)
    }

    @Test("M2: a file that was cut behind our back is neither copied from nor into")
    func copyRangeOfCut() throws {
        func device(_ name: String) throws -> FileDevice {
            try FileDevice(path: temporary.path + "/" + name, access: .create).resize(to: 8192)
            return try FileDevice(
                path: temporary.path + "/" + name, access: .readWrite, isCutAnError: true)
        }
        let (cut, whole) = (try device("cut"), try device("whole"))
        truncate(cut.path, 4096)
        let request = CopyRange(sourceOffset: 4096, destinationOffset: 4096, byteCount: 4096)
        #expect(throws: IOFailure.self) {
            try whole.copyRange(request, from: cut, by: .copyFileRange)
        }
        #expect(throws: IOFailure.self) {
            try cut.copyRange(request, from: whole, by: .copyFileRange)
        }
    }

    @Test("failures name the operation, the path and the reason")
    func failures() throws {
        let missing = temporary.path + "/missing"
        #expect(throws: IOFailure("open", path: missing, code: ENOENT)) {
            try FileDevice(path: missing, access: .readOnly)
        }
        #expect(throws: IOFailure("open", path: temporary.path, code: EISDIR)) {
            try FileDevice(path: temporary.path, access: .readOnly)
        }
        let path = try makeDevice(byteCount: 1).path
        #expect(throws: IOFailure("open", path: path, code: EEXIST)) {
            try FileDevice(path: path, access: .create)
        }
        let readOnly = try FileDevice(path: path, access: .readOnly)
        #expect(throws: IOFailure("write", path: path, code: EBADF)) {
            try readOnly.write([1], at: 0)
        }
    }
}
