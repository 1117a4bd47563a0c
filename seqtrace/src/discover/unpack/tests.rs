//! Every compression on what the program of that name makes, and on damage; boot images around
//! it.

use super::{Compression, boot, elf_file};

/// What `gzip -9n`, `xz --x86 --lzma2=dict=128MiB`, `xz --format=lzma`, `bzip2 -9`, `lz4 -l`,
/// `zstd --ultra -22` and `lzop -9` make of [`text`], in hexadecimal.
const PACKED: [(Compression, &str); 7] = [
    (
        Compression::Gzip,
        "1f8b080000000000020355cfbb0d804000c3d05518808298ff3c8816840ef68706c9d7b9cb4b\
         d9afed7c8ebbe9daa6fc1d35ea5e3da847f5a49ed58b7af55635ece5783ade8ec7e3f5783ede\
         8f01b1000ba8be5b800558800558800558c02778011e0939d07c010000",
    ),
    (
        Compression::Xz,
        "fd377a585a0000016922de360201040021011e00050cecd7e0017b00485d0039994a88c3ce11\
         564a501668eba3e7a961a0e0620495112823b8c6c6bdc7256ff4871b667eaa5a3046eb2844bd\
         621e8f7ad7db9975edbd8e35a2f70de340c9b40940e280f7342c00001e0939d0000160fc0200\
         000050ae6cec3e300d8b020000000001595a",
    ),
    (
        Compression::Lzma,
        "5d00000004ffffffffffffffff0039994a88c3ce11564a501668eba3e7a961a0e06204951128\
         23b8c6c6bdc7256ff4871b667eaa5a3046eb2844bd621e8f7ad7db9975edbd8e35a2f70de340\
         c9b40940e281841714ffffce695000",
    ),
    (
        Compression::Bzip2,
        "425a6839314159265359a5e809ba000091198040047fe00a01ae00200068468a37a9b54da432\
         06d53f55001a189b60043002b977b1bcaeb1574a12492449249a99788760ca84555555555a51\
         b402f00c403e805a01ac02f00c403f177245385090a5e809ba",
    ),
    (
        Compression::Lz4,
        "02214c1882000000c5736571636f756e7420302c200c0017310c0017320c0017330c0017340c\
         0017350c0017360c0017370c0017380c0018396c00097900087a0018317b0018317c0018317d\
         0018317e0018317f00183180001831810018318200183282001932fc00088200183282001832\
         820018328200183282001832820017328200502032392c20",
    ),
    (
        Compression::Zstd,
        "28b52ffd0488650200d2c30b10a0ab03a4f20a000b4d13bb231bf73f4d08cee632792ccebf87\
         4f4d4b494745b3b73da69021f22208e8d45b88a5161da81068be77e095c6105604be1888c241\
         90213f13bfd50f760a30b9bd46",
    ),
    (
        Compression::Lzo,
        "894c5a4f000d0a1a0a104020a0094003090300000d000081a46b0382ed000000000038b40478\
         0000017c0000008303c57e0a1d736571636f756e7420302c20272d0031292d0032292d003329\
         2d0034292d0035292d0036292d0037292d0038292d00392aac012be0012ae501312ae901312a\
         ed01312af101312af501312af901312afd01312a0102312a0502322a0502322bec032a050232\
         2a0502322a0502322a0502322a0502322a0502322a050232441011000000000000",
    ),
];

fn text() -> Vec<u8> {
    let words = (0..30).map(|number| format!("seqcount {number}, "));
    words.collect::<String>().into_bytes()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit") as u8;
    let pairs = hexadecimal.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// A boot image of protocol 2.15 with a payload.
fn boot_image(payload: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 0x400];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
    image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
    image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    image.extend([0; 16]);
    image.extend(payload);
    image
}

fn refusal(bytes: &[u8]) -> String {
    let error = elf_file(bytes).expect_err("no kernel");
    format!("{error:#}")
}

#[test]
fn every_compression_is_told_by_its_first_bytes_and_unpacked() {
    for (compression, packed) in PACKED {
        let mut packed = bytes(packed);
        assert_eq!(Compression::of(&packed), Some(compression));
        // The size that boot images have behind it.
        packed.extend((text().len() as u32).to_le_bytes());
        let unpacked = compression.unpack(&packed, 1 << 20);
        let unpacked = unpacked.unwrap_or_else(|error| panic!("{compression}: {error:#}"));
        assert!(unpacked == text(), "{compression}");
    }
}

#[test]
fn more_than_the_limit_is_refused() {
    for (compression, packed) in PACKED {
        let error = compression.unpack(&bytes(packed), text().len() - 1);
        let error = error.expect_err("too long").to_string();
        assert!(error.contains("larger than"), "{compression}: {error}");
        assert!(compression.unpack(&bytes(packed), text().len()).is_ok());
    }
}

#[test]
fn data_cut_off_anywhere_is_refused_or_short() {
    for (compression, packed) in PACKED {
        let packed = bytes(packed);
        for length in 0..packed.len() {
            if let Ok(unpacked) = compression.unpack(&packed[..length], 1 << 20) {
                assert!(text().starts_with(&unpacked), "{compression} {length}");
            }
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    for (compression, packed) in PACKED {
        let packed = bytes(packed);
        for at in 0..packed.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = packed.clone();
                damaged[at] ^= flip;
                let _ = compression.unpack(&damaged, 1 << 20);
            }
        }
    }
}

#[test]
fn a_boot_image_holds_the_payload_that_its_header_tells() {
    let image = boot_image(b"payload");
    let payload = boot::payload(&image).expect("whole");
    assert_eq!(payload, Some(&b"payload"[..]));
    assert_eq!(boot::payload(b"\x7fELF").expect("another file"), None);
}

#[test]
fn what_holds_no_kernel_is_refused_for_what_it_is() {
    let (_, packed) = PACKED[0];
    let packed = bytes(packed);
    let mut old = boot_image(&packed);
    old[0x206] = 7;
    let cut = &boot_image(&packed)[..0x420];
    for (bytes, part) in [
        (&[][..], "it is empty"),
        (b"#!/bin/sh\n", "neither an ELF file"),
        (&packed, "neither an ELF file"),
        (&packed[..40], "the gzip data in it is damaged"),
        (&boot_image(b"payload"), "compressed in an unknown way"),
        (&boot_image(&packed[..40]), "(gzip) is damaged"),
        (&old, "protocol 2.07"),
        (cut, "cut off: its kernel ends at byte"),
        (&cut[..0x206], "cut off in its header"),
    ] {
        let told = refusal(bytes);
        assert!(told.contains(part), "{told}");
    }
}
