"""GET /configuration: what a page needs to draw the switches."""

from tests.service.scripted import ScriptedChatbot, running


def test_the_configuration_names_each_layer_its_default_and_what_else_there_is() -> None:
    with running(ScriptedChatbot()) as client:
        told = client.get("/configuration").json()
    assert told["layers"].keys() == {"prompt", "retrieval", "adapter"}
    assert told["layers"]["adapter"] == {
        "switch": "on",
        "name": "house-style",
        "known": ["house-style@1", "house-style@2"],
    }
    assert told["limits"]["max_question_characters"] == 4000
