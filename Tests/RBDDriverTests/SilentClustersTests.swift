import SnapshotModel
import Testing

@testable import RBDDriver

/// What is remembered of clusters that do not answer.
struct SilentClustersTests {
    private func name(_ text: String) throws -> ImageName {
        try #require(try ImageName.parse(text))
    }

    @Test func whoeverAsksASilentClusterAgainIsToldAtOnce() throws {
        let silent = try name("rbd:a/b:id=x:conf=/silent.conf")
        try SilentClusters.requireAnswers(silent)
        SilentClusters.note(silent, 7)
        // Also of another image there.
        let other = try name("rbd:c/d:id=x:conf=/silent.conf")
        #expect {
            try SilentClusters.requireAnswers(other)
        } throws: { error in
            let problem = error as? Problem
            return problem?.code == .missing
                && problem?.message.contains("within 7 seconds") == true
                && problem?.message.contains("c/d") == true
        }
        try SilentClusters.requireAnswers(try name("rbd:a/b:id=x:conf=/other.conf"))
        try SilentClusters.requireAnswers(try name("rbd:a/b:id=y:conf=/silent.conf"))
    }
}
