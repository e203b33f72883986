import System
import Logging
import TestKit
import Testing

@testable import ServiceLog

struct ServiceStreamTests {
    @Test(
        "each line that the journal reads begins with its priority",
        arguments: [
            (Logger.Level.trace, 7), (.debug, 7), (.info, 6), (.notice, 5), (.warning, 4),
            (.error, 3), (.critical, 2),
        ])
    func priorities(level: Logger.Level, number: Int) {
        let stream = ServiceStream(isJournal: true)
        #expect(stream.text("a\n", at: level) == "<\(number)>a\n")
        #expect(stream.text("a\nhint: b\n", at: level) == "<\(number)>a\n<\(number)>hint: b\n")
        #expect(stream.text("", at: level).isEmpty)
    }

    @Test("people and scripts read what was written")
    func plain() {
        #expect(ServiceStream(isJournal: false).text("a\nb\n", at: .error) == "a\nb\n")
        #expect(!ServiceStream(journal: nil).tellsPriorities)
    }

    @Test("the journal is known by the file behind the stream, and by that alone")
    func journal() throws {
        let temporary = TemporaryFolder()
        let file = try OwnedDescriptor(path: temporary.path, flags: 0)
        let status = try FileStatus(descriptor: file.number, path: temporary.path)
        let name = "\(status.device):\(status.inode)"
        #expect(ServiceStream.leadsToJournal(file.number, name))
        for other in [nil, "", ":", "\(status.device):\(status.inode + 1)", name + " ", "x:y"] {
            #expect(!ServiceStream.leadsToJournal(file.number, other))
        }
        #expect(!ServiceStream.leadsToJournal(-1, name))
    }
}
