"""The jar files a Kafka 4.1.1 broker needs, each with its size and SHA-256.

The list is the resolved closure of the broker's artifacts, held still. Left to itself the resolver picks
kafka-clients 3.9 next to a 4.1 broker, which then does not start; held still, every fetch gives the same
bytes, no POM has to be read, and a mirror can be trusted because every file is checked.
"""

from __future__ import annotations

from dataclasses import dataclass

KAFKA_VERSION = "4.1.1"


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar file. `coordinate` is group:artifact:version, `size` is in bytes."""

    coordinate: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        _group, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


JARS: tuple[Jar, ...] = (
    Jar(
        "com.dynatrace.hash4j:hash4j:0.22.0",
        316573,
        "23028a3fd006e530bf495f551083208187cafd8f80624d048eba56442f16a50e",
    ),
    Jar(
        "com.fasterxml.jackson.core:jackson-annotations:2.19.1",
        78487,
        "5a3cd7211ab26b36213f43a2a94bc052a3385af780c5c135329741b2d79a9730",
    ),
    Jar(
        "com.fasterxml.jackson.core:jackson-core:2.19.1",
        591410,
        "c46369e1a21810100adbc92503b62f15a9ef1640427932f4fe1588ef7ce7e480",
    ),
    Jar(
        "com.fasterxml.jackson.core:jackson-databind:2.19.1",
        1678710,
        "0bc539401d52c6b14e668947c851dcc49f78a4ada3d1fc8e8f71440613fc26ce",
    ),
    Jar(
        "com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.19.1",
        106991,
        "75832b5f0ffb9a60a61e51530f7babcc7629b6a9e97d3cfb42c402fc423714d7",
    ),
    Jar(
        "com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.19.1",
        60230,
        "d0d538c5ba235ac88c8c3c52e146d3d5e1bbcc8b90e3d757cf0dbe39225e8d00",
    ),
    Jar(
        "com.fasterxml.jackson.datatype:jackson-datatype-jdk8:2.19.1",
        36217,
        "5966c02022a0812b8761d999e5510c0a269d87178cb5ef67e138d54ead6966c6",
    ),
    Jar(
        "com.github.ben-manes.caffeine:caffeine:3.2.0",
        906581,
        "ec411dfdf0c03f25218648ce89861630b71680e5858a9a7278ebac8e55cab3d7",
    ),
    Jar(
        "com.github.luben:zstd-jni:1.5.7-4",
        7409448,
        "e7f064bf1eab83fa785cf587f657f09649e3b0af6f27caa5382416953b5a35f8",
    ),
    Jar(
        "com.google.re2j:re2j:1.8", 114335, "7b52c72156dd7f98b3237a5b35c1d34fba381b21048c89208913ad80a45dfbd7"
    ),
    Jar(
        "com.typesafe.scala-logging:scala-logging_2.13:3.9.5",
        61858,
        "87a3017d3f43e6ace7566fe4c3d615134c6914ff871c8d64bb32ca1d996d0545",
    ),
    Jar(
        "com.yammer.metrics:metrics-core:2.2.0",
        82123,
        "6b7a14a6f34c10f8683f7b5e2f39df0f07b58c7dff0e468ebbc713905c46979c",
    ),
    Jar(
        "commons-beanutils:commons-beanutils:1.9.4",
        246918,
        "7d938c81789028045c08c065e94be75fc280527620d5bd62b519d5838532368a",
    ),
    Jar(
        "commons-collections:commons-collections:3.2.2",
        588337,
        "eeeae917917144a68a741d4c0dff66aa5c5c5fd85593ff217bced3fc8ca783b8",
    ),
    Jar(
        "commons-digester:commons-digester:2.1",
        196768,
        "e0b2b980a84fc6533c5ce291f1917b32c507f62bcad64198fff44368c2196a3d",
    ),
    Jar(
        "commons-logging:commons-logging:1.3.5",
        73737,
        "6d7a744e4027649fbb50895df9497d109f98c766a637062fe8d2eabbb3140ba4",
    ),
    Jar(
        "commons-validator:commons-validator:1.9.0",
        201424,
        "c3c14748e2d78db58df88808740711bd643b32c45ffa7b8a739f00fb467cd7d7",
    ),
    Jar(
        "net.sf.jopt-simple:jopt-simple:5.0.4",
        78146,
        "df26cc58f235f477db07f753ba5a3ab243ebe5789d9f89ecf68dd62ea9a66c28",
    ),
    Jar(
        "net.sourceforge.argparse4j:argparse4j:0.7.0",
        90347,
        "65ceb669d88f63306c680f8088bbf765bbca72d288a61a03703000076c3d3f56",
    ),
    Jar(
        "org.apache.kafka:kafka-clients:4.1.1",
        9766726,
        "00247122a572c3d3ae4eb60a50192a5811bc0181f51923d13018600f892e821d",
    ),
    Jar(
        "org.apache.kafka:kafka-coordinator-common:4.1.1",
        100775,
        "2072fc1ce7e0505149bba22a463a5909a899c6235c4fa696f15c21194a7baf60",
    ),
    Jar(
        "org.apache.kafka:kafka-group-coordinator:4.1.1",
        914943,
        "3eb5a673b69d5992cfa86c5436f39adbf4ce284046a4c999ec6af0a8e31c5589",
    ),
    Jar(
        "org.apache.kafka:kafka-group-coordinator-api:4.1.1",
        11914,
        "3d1801d2329dcf7d273796a034d61e6c7e0f851f384d0afbdd3a2e6cbd17a968",
    ),
    Jar(
        "org.apache.kafka:kafka-metadata:4.1.1",
        840858,
        "a689665751415b6456de1ecb013042cb7ba99ac68fd8c3e8bf28e098feb43218",
    ),
    Jar(
        "org.apache.kafka:kafka-raft:4.1.1",
        309751,
        "4810c93d93d1935dd54de61c5ba130f501c7fe11bc49ccd3ee05ec857818a72a",
    ),
    Jar(
        "org.apache.kafka:kafka-server:4.1.1",
        219116,
        "9f6aff422855491aad54326eca8d604163d6d3a6507cc48ffe3ce6de73caf79a",
    ),
    Jar(
        "org.apache.kafka:kafka-server-common:4.1.1",
        371073,
        "207edecd8322cf6c13d76d84addea7fd0ec441dc8d698cf69df43210ccdc0a94",
    ),
    Jar(
        "org.apache.kafka:kafka-share-coordinator:4.1.1",
        111777,
        "e6bec53428c77bf6579321836d482542a93575f7c08e860a26c9f2c7f6059dac",
    ),
    Jar(
        "org.apache.kafka:kafka-storage:4.1.1",
        591039,
        "1f85b82853eaec0143efbef7e3a4d4be8929ff83a386326431e0c2d0a557e58c",
    ),
    Jar(
        "org.apache.kafka:kafka-storage-api:4.1.1",
        26987,
        "8c0a712472185d706c6bf5ae24bf5d84a8e396fd4745c708e6146a415f7fa7f7",
    ),
    Jar(
        "org.apache.kafka:kafka-tools-api:4.1.1",
        9072,
        "542b08fe20cf872a2d866acdff61ea338b469219dc2ebfae727a1d9ea5737e1a",
    ),
    Jar(
        "org.apache.kafka:kafka-transaction-coordinator:4.1.1",
        50212,
        "a261b5730ac9e3205df7af5d45180d851e9d5f729ce1275c67511a6f51f73755",
    ),
    Jar(
        "org.apache.kafka:kafka_2.13:4.1.1",
        2063699,
        "e89428126cc7630a802123ba27aac4442816840b66d60670226feaff65f24fd1",
    ),
    Jar(
        "org.apache.logging.log4j:log4j-api:2.25.1",
        349594,
        "20b9c77c0a9e54d1063a39e551dcaf98c7d8e7a4994648f84d0b9e14c71f7215",
    ),
    Jar(
        "org.apache.logging.log4j:log4j-core:2.25.1",
        2015186,
        "78c232747855464b182f0abf78a99a22c88d4d270ff585343dab55576d7420e2",
    ),
    Jar(
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.1",
        25409,
        "af6528455568ece7828b9eb621d1baad6341cd2608b12e47055bbba10f718248",
    ),
    Jar(
        "org.bitbucket.b_c:jose4j:0.9.6",
        299502,
        "7314af50cde9c99e8eaf43eee617a23edcc6bb43036221064355094999d837ef",
    ),
    Jar(
        "org.hdrhistogram:HdrHistogram:2.2.2",
        177206,
        "22d1d4316c4ec13a68b559e98c8256d69071593731da96136640f864fa14fad8",
    ),
    Jar(
        "org.jspecify:jspecify:1.0.0",
        3819,
        "1fad6e6be7557781e4d33729d49ae1cdc8fdda6fe477bb0cc68ce351eafdfbab",
    ),
    Jar("org.lz4:lz4-java:1.8.0", 682804, "d74a3334fb35195009b338a951f918203d6bbca3d1d359033dc33edd1cadc9ef"),
    Jar(
        "org.pcollections:pcollections:4.0.2",
        73718,
        "2bbeef5797a241300c4f7513cd546239629ed7deda4fc0c31df90bb95f5f13ef",
    ),
    Jar(
        "org.scala-lang:scala-library:2.13.16",
        5926340,
        "1ebb2b6f9e4eb4022497c19b1e1e825019c08514f962aaac197145f88ed730f1",
    ),
    Jar(
        "org.scala-lang:scala-reflect:2.13.16",
        3801119,
        "fb49ccd9cac7464486ab993cda20a3c1569d8ef26f052e897577ad2a4970fb1d",
    ),
    Jar(
        "org.slf4j:slf4j-api:1.7.36",
        41125,
        "d3ef575e3e4979678dc01bf1dcce51021493b4d11fb7f1be8ad982877c16a1c0",
    ),
    Jar(
        "org.xerial.snappy:snappy-java:1.1.10.7",
        2338496,
        "4c766cb3f855415ee734b2392949a0b6f12a60879334a74518deaf6270d32e36",
    ),
    Jar("org.yaml:snakeyaml:2.4", 339825, "ef779af5d29a9dde8cc70ce0341f5c6f7735e23edff9685ceaa9d35359b7bb7f"),
)

TOTAL_BYTES = sum(jar.size for jar in JARS)
