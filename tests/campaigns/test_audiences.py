from __future__ import annotations

import csv
import hashlib
import stat
from pathlib import Path
from time import process_time
from typing import Any, get_args

import pyarrow as pa
import pytest

import shop
from cvm.campaigns.audiences import LEFT_OUT, AudienceError, AudienceFile, AudienceSettings, write_audiences
from cvm.campaigns.senders import TEMPLATES
from cvm.errors import ParamsError, WorkspaceError
from cvm.params_campaigns import SenderTemplateName
from cvm.stages.inputs import audience_settings_of

PEOPLE = [
    {"customer_id": "c1", "email": "Olha.K@Gmail.com", "phone": "050 123 45 68", "first_name": "Ольга", "spent": 12.5},
    {"customer_id": "c2", "email": "ann@shop.com", "phone": "+44 20 7031 3000", "first_name": '=cmd|"x"', "spent": -3.0},
    {"customer_id": "c3", "email": "none", "phone": None, "first_name": "Bob; Jr", "spent": None},
    {"customer_id": "c4", "email": None, "phone": "12", "first_name": None, "spent": float("nan")},
]


def audience(*people: dict[str, Any], **columns: Any) -> pa.Table:
    """Customers of one cell, unless they say otherwise."""
    cell = {"campaign_id": "spring", "arm": "mail", "channel": "email", **columns}
    return pa.Table.from_pylist([{**cell, **person} for person in people or PEOPLE])


def written(folder: Path, rows: pa.Table, template: Any = "plain", **settings: Any) -> tuple[AudienceFile, ...]:
    return write_audiences(rows, folder, AudienceSettings(template, **{"country_code": "380", **settings}))


def read(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


GOLDEN = {
    ("plain", "email"): "\ufeffcustomer_id,campaign_id,arm,channel,email,first_name,spent\r\n"
    "c1,spring,mail,email,olha.k@gmail.com,Ольга,12.5\r\n"
    'c2,spring,mail,email,ann@shop.com,"\'=cmd|""x""",-3.0\r\n',
    ("crm", "call"): "\ufeffID;First Name;Phone;Campaign;Arm;Channel;spent\r\n"
    "c1;Ольга;+380501234568;spring;mail;call;12.5\r\n"
    'c2;"\'=cmd|""x""";+442070313000;spring;mail;call;-3.0\r\n',
    ("mailchimp", "sms"): "First Name,SMS Phone Number,Customer ID,spent\r\n"
    "Ольга,+380501234568,c1,12.5\r\n"
    '"\'=cmd|""x""",+442070313000,c2,-3.0\r\n',
    ("sendpulse", "email"): "Email,Name,customer_id,spent\r\n"
    "olha.k@gmail.com,Ольга,c1,12.5\r\n"
    'ann@shop.com,"\'=cmd|""x""",c2,-3.0\r\n',
    ("unisender", "sms"): "phone;Name;customer_id;spent\r\n"
    "380501234568;Ольга;c1;12.5\r\n"
    '442070313000;"\'=cmd|""x""";c2;-3.0\r\n',
    ("mindbox", "email"): "ExternalId;Email;FirstName;spent\r\n"
    "c1;olha.k@gmail.com;Ольга;12.5\r\n"
    'c2;ann@shop.com;"\'=cmd|""x""";-3.0\r\n',
    ("google_ads", "ads"): "Email,Phone\r\n"
    f"{hashlib.sha256(b'olhak@gmail.com').hexdigest()},{hashlib.sha256(b'+380501234568').hexdigest()}\r\n"
    f"{hashlib.sha256(b'ann@shop.com').hexdigest()},{hashlib.sha256(b'+442070313000').hexdigest()}\r\n",
    ("meta", "ads"): "email,phone\r\n"
    f"{hashlib.sha256(b'olha.k@gmail.com').hexdigest()},{hashlib.sha256(b'380501234568').hexdigest()}\r\n"
    f"{hashlib.sha256(b'ann@shop.com').hexdigest()},{hashlib.sha256(b'442070313000').hexdigest()}\r\n",
}


@pytest.mark.parametrize(("template", "channel"), list(GOLDEN))
def test_each_sender_gets_its_own_form(tmp_path: Path, template: str, channel: str) -> None:
    (file,) = written(tmp_path / "a", audience(channel=channel), template, attributes=["spent"])
    assert file.path.read_bytes().decode() == GOLDEN[template, channel]
    assert (file.template, file.n_customers, sum(file.left_out.values())) == (template, 2, 2)


def test_there_is_a_golden_file_of_every_template() -> None:
    assert {template for template, _ in GOLDEN} == set(TEMPLATES)


def test_who_cannot_be_reached_is_counted_and_named_without_an_address(tmp_path: Path) -> None:
    by_mail, by_phone = written(
        tmp_path / "a", pa.concat_tables([audience(), audience(channel="sms", arm="text", campaign_id="summer")])
    )
    assert by_mail.left_out == {"no e-mail": 1, "unusable e-mail": 1}
    assert by_mail.sentence == (
        "mail by email: 2 customers in spring.mail.email.csv (plain); left out 1 with no e-mail, 1 with unusable e-mail"
    )
    assert by_phone.left_out == {"no phone": 1, "unusable phone": 1}
    assert "@" not in repr((by_mail, by_phone)) + (tmp_path / "a" / LEFT_OUT).read_text()
    assert read(tmp_path / "a" / LEFT_OUT) == [
        ["customer_id", "campaign_id", "arm", "channel", "reason"],
        ["c3", "spring", "mail", "email", "unusable e-mail"],
        ["c3", "summer", "text", "sms", "no phone"],
        ["c4", "spring", "mail", "email", "no e-mail"],
        ["c4", "summer", "text", "sms", "unusable phone"],
    ]


def test_a_number_without_its_country_is_told(tmp_path: Path) -> None:
    (by_phone,) = written(tmp_path / "a", audience(channel="sms"), country_code=None)
    assert by_phone.left_out == {"no phone": 1, "phone without its country": 1, "unusable phone": 1}
    (anyhow,) = written(tmp_path / "a", audience(channel="ads"), "meta", country_code=None)
    assert anyhow.left_out == {"no e-mail, unusable phone": 1, "unusable e-mail, no phone": 1}


def test_a_letter_needs_no_address_and_an_advertisement_any(tmp_path: Path) -> None:
    (letter,) = written(tmp_path / "a", audience(channel="post"))
    assert (letter.n_customers, letter.left_out) == (4, {})
    assert not (tmp_path / "a" / LEFT_OUT).exists()
    (shown,) = written(tmp_path / "a", audience({**PEOPLE[0], "email": None}, channel="email"), "meta")
    assert read(shown.path)[1][0] == ""


def test_nothing_but_hashes_is_in_a_file_for_an_ad_platform(tmp_path: Path) -> None:
    for template in ("google_ads", "meta"):
        (file,) = written(tmp_path / "a", audience(), template, attributes=["first_name", "spent"])
        assert all(len(cell) in (0, 64) for row in read(file.path)[1:] for cell in row)


def test_channels_have_templates_of_their_own(tmp_path: Path) -> None:
    rows = pa.concat_tables([audience(channel=channel) for channel in ("ads", "email", "sms")])
    files = written(tmp_path / "a", rows, {"ads": "meta", "email": "mailchimp"})
    assert [file.template for file in files] == ["meta", "mailchimp", "plain"]


def test_held_out_customers_are_never_written(tmp_path: Path) -> None:
    rows = pa.concat_tables([audience(), audience({"customer_id": "held"}, arm="control")], promote_options="default")
    with pytest.raises(AudienceError, match="customers of the arm 'control', which nobody contacts: 1"):
        written(tmp_path / "a", rows)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_as_a_whole_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    written(folder, audience(arm="old"))
    (file,) = written(folder, audience())
    assert {path.name for path in folder.iterdir()} == {file.path.name, LEFT_OUT}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert write_audiences(audience().slice(0, 0), folder, AudienceSettings()) == ()
    assert list(folder.iterdir()) == []


NAMES = [
    "spring",
    "Spring",
    "spring/..",
    "../spring",
    "spring.mail",
    "a b",
    "a_b",
    "весна",
    "CON",
    "x" * 400,
    "я" * 400,
    ".",
]


def test_names_never_leave_the_folder_nor_share_a_file(tmp_path: Path) -> None:
    rows = [
        audience({"customer_id": f"{one} {two}"}, campaign_id=one, arm=two, channel="post")
        for one in NAMES
        for two in ("spring", "Spring", "spring.mail")
    ]
    files = written(tmp_path / "a", pa.concat_tables(rows))
    assert len({file.path.name.casefold() for file in files}) == len(rows)
    assert {file.path.parent for file in files} == {tmp_path / "a"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == {file.path.name for file in files}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_plain_name_is_read_in_the_file_name(tmp_path: Path) -> None:
    (file,) = written(tmp_path / "a", audience(campaign_id="spring-sale_2026"))
    assert file.path.name == "spring-sale_2026.mail.email.csv"


@pytest.mark.parametrize(
    ("rows", "settings", "cause"),
    [
        (audience(PEOPLE[0], PEOPLE[0]), {}, r"customers more than once in one arm and channel: 1"),
        (
            pa.concat_tables([audience(), audience(arm="letter", channel="post")]),
            {},
            r"customers in several arms of one campaign: 4",
        ),
        (audience(PEOPLE[0], {"customer_id": " "}), {}, r"rows without one of .*: 1\. Complete them"),
        (audience({**PEOPLE[0], "reasons": ["a"]}), {"attributes": ["reasons"]}, r"The attributes \['reasons'\] hold lists"),
        (
            audience({**PEOPLE[0], "Name": "x"}),
            {"template": "unisender", "attributes": ["Name"]},
            "The attribute 'Name' is the title of another column",
        ),
    ],
)
def test_an_audience_that_cannot_be_handed_over_is_refused(
    tmp_path: Path, rows: pa.Table, settings: dict[str, Any], cause: str
) -> None:
    with pytest.raises(AudienceError, match=cause):
        written(tmp_path / "a", rows, **settings)
    assert list(tmp_path.iterdir()) == []


def test_missing_columns_and_unknown_templates_are_named(tmp_path: Path) -> None:
    with pytest.raises(AudienceError, match=r"The audience lacks the columns \['arm', 'channel'\]; it has \['campaign_id'"):
        written(tmp_path / "a", audience().drop_columns(["channel", "arm"]))
    with pytest.raises(AudienceError, match=r"the attributes \['city'\]; there are \['email', 'first_name', "):
        written(tmp_path / "a", audience(), attributes=["city"])
    with pytest.raises(AudienceError, match="The template 'gmail' is unknown; choose among"):
        AudienceSettings({"email": "gmail"})


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(WorkspaceError, match="could not be written"):
        written(tmp_path / "taken" / "a", audience())


def test_params_know_every_template_and_say_the_country(tmp_path: Path) -> None:
    assert get_args(SenderTemplateName) == tuple(TEMPLATES)
    params = shop.params_for(
        tmp_path,
        identity={"country_code": "380"},
        campaigns={"audiences": {"template": {"email": "mailchimp"}, "attributes": ["city"]}},
    )
    assert audience_settings_of(params) == AudienceSettings({"email": "mailchimp"}, ["city"], "380")
    with pytest.raises(ParamsError, match=r"campaigns\.audiences\.template.*'gmail'"):
        shop.params_for(tmp_path, campaigns={"audiences": {"template": "gmail"}})


@pytest.mark.slow
def test_a_million_customers_take_seconds(tmp_path: Path) -> None:
    n = 1_000_000
    names, begun = [f"c{number}" for number in range(n)], process_time()
    rows = pa.table(
        {
            "customer_id": names,
            "campaign_id": ["spring"] * n,
            "arm": ["mail"] * n,
            "channel": ["email"] * n,
            "email": [f"{name}@shop.com" for name in names],
            "first_name": ["=1"] * n,
        }
    )
    (file,) = written(tmp_path / "a", rows, "mailchimp")
    assert file.n_customers == n
    assert process_time() - begun < 30  # 6 s on the machine it was written on


@pytest.mark.parametrize("channel", ["email", "sms", "post"])
def test_with_pseudonyms_files_carry_them_alone_and_nobody_is_left_out_for_an_address(tmp_path, channel):
    rows = audience({"customer_id": "cvm-1"}, {"customer_id": "cvm-2"}, channel=channel)
    (file,) = written(tmp_path / "files", rows, has_pseudonyms=True)
    assert (file.n_customers, file.left_out) == (2, {})
    assert read(file.path)[1] == ["cvm-1", "spring", "mail", channel]
